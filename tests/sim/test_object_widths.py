"""Half widths of objects along horizontal directions."""

import numpy as np
import pytest
from lossless_sim.experts.convex_polyhedron import object_polyhedron
from lossless_sim.object_widths import half_widths

NUM_DIRECTIONS = 12
HALF_TURN = np.arange(NUM_DIRECTIONS) * np.pi / NUM_DIRECTIONS
UPRIGHT = np.array([0.6, 0.1, 0.05, 0, 0, 0, 1.0])


def turned(angle: float) -> np.ndarray:
    """Return the pose of an object that lies on its side, turned about the vertical."""
    sine, cosine = np.sin(angle / 2) / np.sqrt(2), np.cos(angle / 2) / np.sqrt(2)
    return np.array([0.5, 0.0, 0.3, -sine, cosine, sine, cosine])


def test_widths_equal_those_that_the_expert_sees_and_do_not_depend_on_the_place() -> None:
    widths = half_widths(["r6", "b2"], np.array([[UPRIGHT, turned(0.4)]]), 0.3 + HALF_TURN[None])
    for k, (name, pose) in enumerate((("r6", UPRIGHT), ("b2", turned(0.4)))):
        shape = object_polyhedron(name).transformed(pose)
        expected = [shape.half_width(0.3 + i * np.pi / NUM_DIRECTIONS) for i in range(NUM_DIRECTIONS)]
        np.testing.assert_allclose(widths[0, k], expected, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 5, NUM_DIRECTIONS])
def test_turning_the_object_shifts_its_widths(steps: int) -> None:
    poses = np.array([[turned(0.0)], [turned(steps * np.pi / NUM_DIRECTIONS)]])
    before, after = half_widths(["r6"], poses, np.stack([HALF_TURN, HALF_TURN]))[:, 0]
    np.testing.assert_allclose(after, np.roll(before, steps), atol=1e-9)
    assert np.ptp(before) > 0.03  # r6 is long


def test_directions_that_turn_with_the_object_have_the_same_widths() -> None:
    angles = np.array([0.0, 0.7, 2.0])
    widths = half_widths(["r6"], np.array([[turned(angle)] for angle in angles]), angles[:, None] + HALF_TURN)
    np.testing.assert_allclose(widths[1:], widths[:1].repeat(2, 0), atol=1e-9)

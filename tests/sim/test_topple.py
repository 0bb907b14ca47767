"""Topple planning: b3 has slanting sides, on one of which it lies in half of the episodes, and red slides off it."""

import numpy as np
import pytest
from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron, object_polyhedron
from lossless_sim.experts.topple import can_be_level, is_level, plan_push
from lossless_sim.scene.basket import FLOOR

TCP = np.array([0.6, 0.0, 0.2])


def _resting(name: str, face: int) -> ConvexPolyhedron:
    """Return an object at rest on one of its faces in the middle of the basket."""
    shape = object_polyhedron(name)
    normal = shape.normals[face]
    axis = np.cross(normal, [0.0, 0.0, -1.0])
    turn = np.append(axis, 1.0 - normal[2])  # half way from the normal to straight down
    turn = np.array([1.0, 0.0, 0.0, 0.0]) if normal[2] > 0.999 else turn
    pose = np.concatenate([[0.6, 0.0, 0.0], turn / np.linalg.norm(turn)])
    pose[2] = FLOOR - shape.transformed(pose).bottom
    return shape.transformed(pose)


@pytest.fixture(scope="module")
def slanting() -> list[ConvexPolyhedron]:
    """b3 on each face that leaves it without a level top."""
    poses = [_resting("b3", face) for face in range(len(object_polyhedron("b3").normals))]
    return [shape for shape in poses if not is_level(shape)]


def test_slanting_object_can_be_level(slanting: list[ConvexPolyhedron]) -> None:
    assert len(slanting) == 2
    assert can_be_level(object_polyhedron("b3"))


def test_push_starts_behind_the_object_and_moves_towards_it(slanting: list[ConvexPolyhedron]) -> None:
    for shape in slanting:
        push = plan_push(shape, [], TCP, 0.0, [])
        assert push is not None
        assert np.linalg.norm(push.direction) == pytest.approx(1.0)
        assert (push.start[:2] - shape.center[:2]) @ push.direction < 0
        motion = push.motion(push.start, shape)
        assert motion is not None
        assert np.allclose(motion[:2], push.direction)


def test_failed_push_is_not_tried_again(slanting: list[ConvexPolyhedron]) -> None:
    for shape in slanting:
        push = plan_push(shape, [], TCP, 0.0, [])
        assert push is not None
        other = plan_push(shape, [], TCP, 0.0, [push])
        assert other is None or other.direction @ push.direction < 0.9


def test_no_push_is_planned_where_obstacles_surround_the_object(slanting: list[ConvexPolyhedron]) -> None:
    obstacles = [
        object_polyhedron("s0").transformed(np.array([0.6 + x, y, 0.0748, 0, 0, 0, 1]))
        for x, y in ((0.06, 0.0), (-0.06, 0.0), (0.0, 0.06), (0.0, -0.06))
    ]
    assert plan_push(slanting[0], obstacles, np.zeros(3), 0.0, []) is None

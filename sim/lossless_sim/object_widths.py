"""How wide the objects are along horizontal directions: what a gripper would have to close around as they lie."""

from collections.abc import Sequence

import numpy as np

from lossless_sim.experts.convex_polyhedron import object_polyhedron
from lossless_sim.rotations import quaternion_to_matrix

NUM_DIRECTIONS = 12  # over half a turn; the other half has the same widths


def half_widths(names: Sequence[str], poses: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return how far objects extend from their centers of mass along horizontal directions.

    Args:
        names: the objects (K,), such as r3.
        poses: their poses (T, K, 7) x, y, z [m], qx, qy, qz, qw.
        first: angle of the first direction from the world's x axis (T,) [rad].

    Returns:
        (T, K, NUM_DIRECTIONS) [m]; the directions are spread evenly over half a turn.
    """
    angles = first[:, None] + np.arange(NUM_DIRECTIONS) * np.pi / NUM_DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], 1)  # (T, 3, NUM_DIRECTIONS)
    widths = np.empty((*poses.shape[:2], NUM_DIRECTIONS))
    for k, name in enumerate(names):
        shape = object_polyhedron(name)
        corners = shape.vertices - shape.center
        for t, pose in enumerate(poses[:, k]):
            rotation = quaternion_to_matrix(pose[[6, 3, 4, 5]])
            widths[t, k] = np.abs(corners @ (rotation.T @ directions[t])).max(0)
    return widths

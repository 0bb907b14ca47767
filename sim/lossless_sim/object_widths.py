"""How wide the objects are along horizontal directions: what a gripper would have to close around as they lie."""

from collections.abc import Sequence

import numpy as np

from lossless_sim.experts.convex_polyhedron import object_polyhedron
from lossless_sim.rotations import quaternion_to_matrix


def half_widths(names: Sequence[str], poses: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Return how far objects extend from their centers of mass along horizontal directions.

    The same as `ConvexPolyhedron.half_width` of each object at each pose, for many directions at once.

    Args:
        names: the objects (K,), such as r3.
        poses: their poses (T, K, 7) x, y, z [m], qx, qy, qz, qw.
        yaws: the directions' angles from the world's x axis (T, D) [rad].

    Returns:
        (T, K, D) [m].
    """
    directions = np.stack([np.cos(yaws), np.sin(yaws), np.zeros_like(yaws)], 1)  # (T, 3, D)
    widths = np.empty((*poses.shape[:2], yaws.shape[1]))
    for k, name in enumerate(names):
        shape = object_polyhedron(name)
        corners = shape.vertices - shape.center
        for t, pose in enumerate(poses[:, k]):
            rotation = quaternion_to_matrix(pose[[6, 3, 4, 5]])
            widths[t, k] = np.abs(corners @ (rotation.T @ directions[t])).max(0)
    return widths

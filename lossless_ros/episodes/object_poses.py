"""True poses of the objects in simulated episodes: privileged data for training, never an input of a policy.

A bag has them on a topic of its own, one `geometry_msgs/PoseArray` per frame with the frame's stamp. Neither a contract
nor the simulated robot knows the topic.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossless_ros.errors import DataError

OBJECT_POSES = "privileged/object_poses"  # relative topic name
OBJECTS = ("red", "green", "blue")  # order of the poses


def read_object_poses(msg: Any) -> np.ndarray:
    """Return the poses (3, 7) x, y, z [m], qx, qy, qz, qw of a PoseArray, in the order of OBJECTS.

    Raises:
        DataError: the number of poses is wrong, a value is not finite, or a quaternion is not normalized.
    """
    if len(msg.poses) != len(OBJECTS):
        raise DataError(f"{len(msg.poses)} poses, expected {len(OBJECTS)}: {', '.join(OBJECTS)}")
    pairs = [(pose.position, pose.orientation) for pose in msg.poses]
    poses = np.array([[p.x, p.y, p.z, q.x, q.y, q.z, q.w] for p, q in pairs], np.float64)
    for name, pose in zip(OBJECTS, poses, strict=True):
        if not np.isfinite(pose).all() or abs(np.linalg.norm(pose[3:]) - 1) > 0.01:
            raise DataError(f"the pose of {name} is not valid: {pose.tolist()}")
    return poses


def align_object_poses(poses: Mapping[int, np.ndarray], stamps: Sequence[int]) -> np.ndarray:
    """Return the poses (T, 3, 7) at the frames' stamps [ns] from those by stamp; only equal stamps match.

    Raises:
        DataError: a frame has no poses.
    """
    missing = [stamp for stamp in stamps if stamp not in poses]
    if missing:
        raise DataError(f"no message for {len(missing)} of {len(stamps)} frames, the first at {missing[0]} ns")
    return np.array([poses[stamp] for stamp in stamps], np.float64).reshape(-1, len(OBJECTS), 7)

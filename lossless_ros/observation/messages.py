"""Decode ROS messages into arrays. Duck-typed: messages of rclpy and rosbags take the same path."""

from typing import Any

import numpy as np

from lossless_ros.contract import JOINT_STATES, TCP_POSE, Contract, Robot
from lossless_ros.errors import DataError
from lossless_ros.observation.images import fit, image_to_rgb

Sample = tuple[np.ndarray, ...]  # one array per use of the stream: an image, or parts of the proprioception

_LARGEST = 1e6  # rad or m: policies compute in single precision


def stamp_ns(msg: Any) -> int:
    """Return the header stamp [ns]."""
    return int(msg.header.stamp.sec) * 1_000_000_000 + int(msg.header.stamp.nanosec)


def joint_positions(msg: Any, names: tuple[str, ...]) -> np.ndarray:
    """Return the positions [rad] of the named joints (n,), in that order, from a JointState.

    Raises:
        DataError: a joint is missing or not finite.
    """
    index = {name: i for i, name in enumerate(msg.name)}
    missing = [n for n in names if index.get(n, len(msg.position)) >= len(msg.position)]
    if missing:
        raise DataError(f"joint_states has no position of {', '.join(missing)}; it has {', '.join(msg.name)}")
    values = np.array([msg.position[index[n]] for n in names], np.float64)
    if not (np.abs(values) < _LARGEST).all():
        raise DataError("joint_states has a position that is not finite or out of range")
    return values


def pose_vector(msg: Any) -> np.ndarray:
    """Return position [m] and the first two columns of the rotation matrix (9,) of a PoseStamped.

    Raises:
        DataError: a value is not finite, or the quaternion is not normalized.
    """
    p, q = msg.pose.position, msg.pose.orientation
    quat = np.array([q.w, q.x, q.y, q.z], np.float64)
    position = np.array([p.x, p.y, p.z], np.float64)
    norm = np.linalg.norm(quat)
    if not (np.abs(position) < _LARGEST).all() or not abs(norm - 1) < 0.01:
        raise DataError(f"tcp_pose is not a valid pose: position {position.tolist()}, quaternion norm {norm:.3g}")
    w, x, y, z = quat / norm
    first = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]
    second = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)]
    return np.array([*position, *first, *second])


def decode(contract: Contract, robot: Robot, stream: str, msg: Any) -> Sample:
    """Return what the contract uses of a stream's message: ((height, width, 3) uint8,) or parts of the proprioception.

    Raises:
        DataError: the message cannot be used.
    """
    for camera in contract.cameras:
        if camera.name == stream:
            return (fit(image_to_rgb(msg), camera.width, camera.height),)
    if stream == TCP_POSE:
        return tuple(pose_vector(msg) for p in contract.proprioception if p.stream == TCP_POSE)
    uses = (p.names for p in contract.proprioception if p.stream == JOINT_STATES)
    return tuple(joint_positions(msg, tuple(robot.joints.get(n, n) for n in names)) for names in uses)

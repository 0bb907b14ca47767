"""Decode ROS messages into arrays. Duck-typed: messages of rclpy and rosbags take the same path."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from lossless_ros.contract import TCP_POSE, Contract, Robot
from lossless_ros.errors import DataError
from lossless_ros.observation.images import fit, image_to_rgb

Sample = dict[str, np.ndarray]  # by part of the stream, see `Contract.parts`: an image, a pose, or joint positions

_LARGEST = 1e6  # rad or m: policies compute in single precision


def stamp_ns(msg: Any) -> int:
    """Return the header stamp [ns]."""
    return int(msg.header.stamp.sec) * 1_000_000_000 + int(msg.header.stamp.nanosec)


def check_frame_id(msg: Any, expected: str) -> None:
    """Check that a stamped message is in the frame of the commands, or names no frame.

    Raises:
        DataError: it is in another frame.
    """
    found = msg.header.frame_id.removeprefix("/")
    if found and found != expected.removeprefix("/"):
        raise DataError(f"it is in frame '{found}', expected '{expected}', the frame of the commands")


def joint_positions(msg: Any, names: Iterable[str]) -> dict[str, float]:
    """Return the positions [rad] of those of the named joints that a JointState has.

    Raises:
        DataError: a position is not finite.
    """
    positions = dict(zip(msg.name, msg.position, strict=False))
    found = {name: float(positions[name]) for name in names if name in positions}
    wrong = [name for name, value in found.items() if not abs(value) < _LARGEST]
    if wrong:
        raise DataError(f"the position of {wrong[0]} is not finite or out of range: {found[wrong[0]]}")
    return found


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
    """Return what the contract uses of a stream's message, by part (see `Contract.parts`).

    It is an image (height, width, 3) uint8, a pose (9,), or the position (1,) of each joint that the message has. A
    JointState of other joints is another device's: nothing of it is used.

    Raises:
        DataError: the message cannot be used.
    """
    for camera in contract.cameras:
        if camera.name == stream:
            return {"": fit(image_to_rgb(msg), camera.width, camera.height)}
    if stream == TCP_POSE:
        check_frame_id(msg, robot.command_frame(contract))
        return {"": pose_vector(msg)}
    names = {robot.joint(name): name for name in contract.parts(stream)}
    return {names[name]: np.array([value]) for name, value in joint_positions(msg, names).items()}

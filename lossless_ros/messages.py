"""Decoding of ROS messages into arrays, duck-typed: rclpy's and rosbags' messages go through the same lines."""

from typing import Any

import numpy as np

from lossless_ros.contract import JOINT_STATES, TCP_POSE, Contract, Robot

Sample = tuple[np.ndarray, ...]  # one array per use of the stream: an image, or parts of the proprioception

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1, "8UC3": 3}


class DataError(ValueError):
    """A message that cannot be used; the text says why."""


def stamp_ns(msg: Any) -> int:
    """Header stamp [ns]."""
    return int(msg.header.stamp.sec) * 1_000_000_000 + int(msg.header.stamp.nanosec)


def image_to_rgb(msg: Any) -> np.ndarray:
    """RGB image (H, W, 3) uint8 of a sensor_msgs Image or CompressedImage.

    Raises:
        DataError: unknown encoding, size that does not fit the data, or compressed data that does not decode.
    """
    import cv2

    if not hasattr(msg, "encoding"):
        image = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_COLOR) if len(msg.data) else None
        if image is None:
            raise DataError(f"compressed image ({msg.format}, {len(msg.data)} bytes) does not decode")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    channels = _CHANNELS.get(msg.encoding)
    if channels is None:
        raise DataError(f"encoding '{msg.encoding}' is not one of {', '.join(_CHANNELS)}")
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    data = np.frombuffer(msg.data, np.uint8)
    if height < 1 or width < 1 or step < width * channels or data.size < height * step:
        raise DataError(f"{width}x{height} {msg.encoding} with step {step} does not fit {data.size} bytes")
    image = data[: height * step].reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    if channels == 1:
        return np.repeat(image, 3, axis=2)
    image = image[:, :, :3]
    return image[:, :, ::-1] if msg.encoding.startswith("bgr") or msg.encoding == "8UC3" else image


def fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Centre crop to the wanted aspect, then area resampling: (H, W, 3) -> (height, width, 3), contiguous."""
    import cv2

    rows, cols = image.shape[:2]
    if (rows, cols) != (height, width):
        crop_cols = min(cols, max(1, round(rows * width / height)))
        crop_rows = min(rows, max(1, round(cols * height / width)))
        top, left = (rows - crop_rows) // 2, (cols - crop_cols) // 2
        crop = np.ascontiguousarray(image[top : top + crop_rows, left : left + crop_cols])
        image = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)


def joint_positions(msg: Any, names: tuple[str, ...]) -> np.ndarray:
    """Positions [rad] of the named joints (n,), in that order, from a JointState.

    Raises:
        DataError: a joint is missing or not finite.
    """
    index = {name: i for i, name in enumerate(msg.name)}
    missing = [n for n in names if index.get(n, len(msg.position)) >= len(msg.position)]
    if missing:
        raise DataError(f"joint_states has no position of {', '.join(missing)}; it has {', '.join(msg.name)}")
    values = np.array([msg.position[index[n]] for n in names], np.float64)
    if not np.isfinite(values).all():
        raise DataError("joint_states has a position that is not finite")
    return values


def pose_vector(msg: Any) -> np.ndarray:
    """Position [m] and the first two columns of the rotation matrix (9,) of a PoseStamped.

    Raises:
        DataError: not finite, or the quaternion is not a rotation.
    """
    p, q = msg.pose.position, msg.pose.orientation
    quat = np.array([q.w, q.x, q.y, q.z], np.float64)
    position = np.array([p.x, p.y, p.z], np.float64)
    norm = np.linalg.norm(quat)
    if not np.isfinite(position).all() or not abs(norm - 1) < 0.01:
        raise DataError(f"tcp_pose is no pose: position {position.tolist()}, quaternion norm {norm:.3g}")
    w, x, y, z = quat / norm
    first = [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)]
    second = [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)]
    return np.array([*position, *first, *second])


def decode(contract: Contract, robot: Robot, stream: str, msg: Any) -> Sample:
    """What the contract takes from a stream's message: ((height, width, 3) uint8,) or parts of the proprioception.

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

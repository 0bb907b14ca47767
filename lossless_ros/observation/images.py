"""Convert image messages to arrays: with ROS 2's cv_bridge if installed, else with numpy; same result."""

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import DataError

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1, "8UC3": 3}
_PLAIN = ("8UC1", "8UC3")  # cv_bridge knows no colors for them; read as gray and BGR, OpenCV's convention


def image_to_rgb(msg: Any) -> np.ndarray:
    """Return the RGB image (H, W, 3) uint8 of a sensor_msgs Image or CompressedImage.

    Raises:
        DataError: unknown encoding, data of the wrong size, or compressed data that does not decode.
    """
    if not hasattr(msg, "encoding"):
        image = decompress(msg.data)
        if image is None:
            raise DataError(f"compressed image ({msg.format}, {len(msg.data)} bytes) does not decode")
        return image
    bridge = None if msg.encoding in _PLAIN or not _is_of_rclpy(msg) else _cv_bridge()
    if msg.encoding in _CHANNELS:
        pixels = _pixels(msg, _CHANNELS[msg.encoding])
        return _rgb(pixels, msg.encoding) if bridge is None else _by_bridge(bridge, _tight(msg, pixels))
    if bridge is None:
        raise DataError(f"encoding '{msg.encoding}' is not one of {', '.join(_CHANNELS)}")
    return _by_bridge(bridge, msg)


def decompress(data: Any) -> np.ndarray | None:
    """Return the RGB image (H, W, 3) uint8 of the bytes of a JPEG or PNG file, None if they do not decode.

    OpenCV decodes, as in cv_bridge, always to color.
    """
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) else None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Center-crop to the target aspect, then resample by area: (H, W, 3) -> (height, width, 3), contiguous."""
    import cv2

    rows, cols = image.shape[:2]
    if (rows, cols) != (height, width):
        crop_cols = min(cols, max(1, round(rows * width / height)))
        crop_rows = min(rows, max(1, round(cols * height / width)))
        top, left = (rows - crop_rows) // 2, (cols - crop_cols) // 2
        crop = np.ascontiguousarray(image[top : top + crop_rows, left : left + crop_cols])
        image = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image)


def _pixels(msg: Any, channels: int) -> np.ndarray:
    """Return a view (height, width, channels) of the message's bytes without row padding."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    data = np.frombuffer(msg.data, np.uint8)
    if height < 1 or width < 1 or step < width * channels or data.size < height * step:
        raise DataError(f"{width}x{height} {msg.encoding} with step {step} does not fit {data.size} bytes")
    return data[: height * step].reshape(height, step)[:, : width * channels].reshape(height, width, channels)


def _rgb(pixels: np.ndarray, encoding: str) -> np.ndarray:
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    pixels = pixels[:, :, :3]
    return pixels[:, :, ::-1] if encoding.startswith("bgr") or encoding == "8UC3" else pixels


@cache
def _cv_bridge() -> Any:
    """Return the distribution's converter, None without one. PyPI's package of that name is ROS 1's and is not used."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share", "ament_index", "resource_index", "packages", "cv_bridge")
    if not any(prefix and (Path(prefix) / marker).exists() for prefix in prefixes):
        return None
    try:
        from cv_bridge import CvBridge
    except ImportError:  # built for another Python
        return None
    return CvBridge()


def _is_of_rclpy(msg: Any) -> bool:
    """Return whether cv_bridge takes the message: messages from bags have other classes."""
    return type(msg).__module__.startswith("sensor_msgs.")


def _tight(msg: Any, pixels: np.ndarray) -> Any:
    """Return the message without row padding: cv_bridge only supports padding by whole pixels."""
    step = pixels.shape[1] * pixels.shape[2]
    if int(msg.step) == step:
        return msg
    tight = copy.copy(msg)
    tight.step = step
    tight.data = type(msg.data)("B")
    tight.data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    return tight


def _by_bridge(bridge: Any, msg: Any) -> np.ndarray:
    try:
        return np.asarray(bridge.imgmsg_to_cv2(msg, "rgb8"))
    except Exception as error:  # cv_bridge's own, or one of a library that it calls
        raise DataError(f"cv_bridge cannot read {msg.width}x{msg.height} '{msg.encoding}': {error}") from None

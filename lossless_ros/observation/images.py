"""Convert image messages to arrays: with ROS 2's cv_bridge if installed, else with numpy; same result."""

import copy
import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import DataError
from lossless_ros.observation.compressed_images import decompress

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1, "8UC3": 3, "8UC4": 4}
_PLAIN = ("8UC1", "8UC3", "8UC4")  # cv_bridge knows no colors for them; read as gray, BGR and BGRA, OpenCV's convention
_YUV422 = {  # two bytes per pixel -> OpenCV's conversion
    "yuv422": "COLOR_YUV2RGB_UYVY",
    "uyvy": "COLOR_YUV2RGB_UYVY",
    "yuv422_yuy2": "COLOR_YUV2RGB_YUY2",
    "yuyv": "COLOR_YUV2RGB_YUY2",
}
_YUV420 = {"nv12": "COLOR_YUV2RGB_NV12", "nv21": "COLOR_YUV2RGB_NV21"}  # half as many rows of colors below the image
_BAYER = {  # OpenCV names a pattern by its second and third pixel of the second row
    "bayer_rggb8": "COLOR_BayerBG2RGB",
    "bayer_bggr8": "COLOR_BayerRG2RGB",
    "bayer_gbrg8": "COLOR_BayerGR2RGB",
    "bayer_grbg8": "COLOR_BayerGB2RGB",
}
ENCODINGS = (*_CHANNELS, *_YUV422, *_YUV420, *_BAYER)
_DEPTH = re.compile(r"(16|32|64)(U|S|F)C\d*|mono16|.*compressedDepth.*")


def image_to_rgb(msg: Any) -> np.ndarray:
    """Return the RGB image (H, W, 3) uint8 of a sensor_msgs Image or CompressedImage.

    Raises:
        DataError: unknown encoding, depth, data of the wrong size, or compressed data that does not decode.
    """
    if not hasattr(msg, "encoding"):
        _refuse_depth(*msg.format.split(";"))
        image = decompress(msg.data)
        if image is None:
            what = f"compressed image ({_short(msg.format)}, {len(msg.data)} bytes)"
            raise DataError(f"{what} does not decode; JPEG and PNG are read")
        return image
    _refuse_depth(msg.encoding)
    if msg.encoding not in ENCODINGS:
        raise DataError(f"encoding '{_short(msg.encoding)}' is not one of {', '.join(ENCODINGS)}")
    if msg.encoding not in _CHANNELS:
        return _converted(msg)
    pixels = _pixels(msg, _CHANNELS[msg.encoding])
    bridge = None if msg.encoding in _PLAIN or not _is_of_rclpy(msg) else _cv_bridge()
    return _rgb(pixels, msg.encoding) if bridge is None else _by_bridge(bridge, _tight(msg, pixels))


def _refuse_depth(*encodings: str) -> None:
    for encoding in encodings:
        if _DEPTH.fullmatch(encoding.strip()):
            name = _short(encoding.strip())
            raise DataError(f"encoding '{name}' is depth or raw data, expected a camera picture of 8 bits per channel")


def _short(text: str) -> str:
    """Return text of a message for an error message."""
    return "".join(c if c.isprintable() else "?" for c in text[:40])


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


def _pixels(msg: Any, channels: int, rows: int = 0) -> np.ndarray:
    """Return a view (rows, width, channels) of the message's bytes without row padding; 0 `rows`: its height."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    rows = rows or height
    data = np.frombuffer(msg.data, np.uint8)
    if height < 1 or width < 1 or step < width * channels or data.size < rows * step:
        raise DataError(f"{width}x{height} {msg.encoding} with step {step} does not fit {data.size} bytes")
    return data[: rows * step].reshape(rows, step)[:, : width * channels].reshape(rows, width, channels)


def _rgb(pixels: np.ndarray, encoding: str) -> np.ndarray:
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    pixels = pixels[:, :, :3]
    return pixels[:, :, ::-1] if encoding.startswith("bgr") or encoding in _PLAIN else pixels


def _converted(msg: Any) -> np.ndarray:
    """Return the RGB image of an encoding that OpenCV converts; never by cv_bridge, so that bags give the same."""
    import cv2

    conversions = {**_YUV422, **_YUV420, **_BAYER}
    height, width = int(msg.height), int(msg.width)
    if msg.encoding in _BAYER:
        pixels = _pixels(msg, 1)
        is_valid = height >= 3 and width >= 3
    elif msg.encoding in _YUV420:
        pixels = _pixels(msg, 1, height + height // 2)
        is_valid = width % 2 == 0 and height % 2 == 0
    else:
        pixels = _pixels(msg, 2)
        is_valid = width % 2 == 0
    if not is_valid:
        raise DataError(f"{width}x{height} is not a size of encoding {msg.encoding}")
    return cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, conversions[msg.encoding]))


@cache
def _cv_bridge() -> Any:
    """Return the distribution's converter, None without one. PyPI's package of that name is ROS 1's and is not used."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share", "ament_index", "resource_index", "packages", "cv_bridge")
    if not any(prefix and (Path(prefix) / marker).exists() for prefix in prefixes):
        return None
    try:
        from cv_bridge import CvBridge

        return CvBridge()
    except Exception as error:  # built for another Python or numpy: it raises many types
        why = " ".join(str(error).split())[:200]
        logging.getLogger(__name__).warning("cv_bridge fails, images are converted without it: %s", why)
        return None


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
        raise DataError(f"cv_bridge cannot read {msg.width}x{msg.height} {msg.encoding}: {error}") from None

"""Formats of the images in a bag. Imports nothing heavy, because help texts list the formats."""

from typing import TYPE_CHECKING, Any

from lossless_ros.errors import unknown

if TYPE_CHECKING:
    import numpy as np

IMAGE_FORMATS = ("raw", "png", "jpeg")  # sensor_msgs/Image; CompressedImage without and with loss
DEFAULT_FORMAT = "jpeg"  # of demonstrations: 400 take about 1.2 GB instead of 11
PNG_LEVEL = 3  # 0 to 9: higher levels take several times as long for a few percent
JPEG_QUALITY = 95  # 0 to 100; colors are not subsampled: small objects keep theirs, for a fifth more bytes


def check_image_format(name: str) -> None:
    """Check that there is an image format of that name.

    Raises:
        LosslessError: there is none; the message lists the formats.
    """
    if name not in IMAGE_FORMATS:
        raise unknown("image format", name, IMAGE_FORMATS)


def compress(image: "np.ndarray", image_format: str) -> "np.ndarray":
    """Return the PNG or JPEG file (B,) uint8 of an RGB image (H, W, 3) uint8."""
    import cv2

    options = {
        "png": [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL],
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *_full_color(cv2)],
    }[image_format]
    _, data = cv2.imencode(f".{image_format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.reshape(-1)


def _full_color(cv2: Any) -> list[int]:
    """Return the options for colors at full resolution; OpenCV before 4.6 has none, it halves them."""
    if not hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):
        return []
    return [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]

"""Formats of the images in a bag. Imports nothing heavy, because help texts list the formats."""

from typing import TYPE_CHECKING

from lossless_ros.errors import unknown

if TYPE_CHECKING:
    import numpy as np

IMAGE_FORMATS = ("raw", "png", "jpeg")  # sensor_msgs/Image; CompressedImage without and with loss
PNG_LEVEL = 3  # 0 to 9: higher levels take several times as long for a few percent
JPEG_QUALITY = 95  # 0 to 100


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
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    }[image_format]
    _, data = cv2.imencode(f".{image_format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.reshape(-1)

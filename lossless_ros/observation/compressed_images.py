"""Files of compressed images: their size and depth are checked before they are decoded."""

from typing import Any

import numpy as np

from lossless_ros.errors import DataError

MAX_PIXELS = 64_000_000  # of an image in a message; a damaged header may claim thousands of times as many
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"


def decompress(data: Any) -> np.ndarray | None:
    """Return the RGB image (H, W, 3) uint8 of the bytes of a JPEG or PNG file, None if they do not decode.

    OpenCV decodes, as in cv_bridge, always to color.

    Raises:
        DataError: it is too large, or has 16 bits per channel: depth, or raw data.
    """
    import cv2

    data = np.frombuffer(data, np.uint8)
    header = _png_header(data[:26].tobytes()) or _jpeg_header(data.tobytes())
    if header is None:
        return None
    width, height, bits = header
    if width * height > MAX_PIXELS:
        raise DataError(
            f"compressed image claims {width}x{height} px, at most {MAX_PIXELS // 1_000_000} million are read"
        )
    if bits > 8:
        raise DataError(f"compressed image has {bits} bits per channel, expected 8: depth is not a camera picture")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _png_header(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and bits per channel of a PNG file, None of another one."""
    if not data.startswith(_PNG) or len(data) < 26:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"), data[24]


def _jpeg_header(data: bytes) -> tuple[int, int, int] | None:
    """Return width, height and bits per channel of a JPEG file, None of another one."""
    at = len(_JPEG) if data.startswith(_JPEG) else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return width, height, data[at + 4]
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None

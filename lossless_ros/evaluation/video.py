"""Films of episodes: MP4 files, and film strips and short animations for a report."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from lossless_ros.errors import LosslessError


class Film:
    """Collects pictures, cameras side by side, and writes them as MP4 (H.263-like mp4v) in `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pictures: list[np.ndarray] = []

    def add(self, images: Sequence[np.ndarray]) -> None:
        """Images (H, W, 3) uint8 of one instant, all of one height."""
        self._pictures.append(np.hstack(images))

    def close(self, rate_hz: float) -> None:
        """Write the film.

        Raises:
            LosslessError: the file cannot be written.
        """
        import cv2

        height, width = self._pictures[0].shape[:2]
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self.path), code, rate_hz, (width, height))
        if not writer.isOpened():
            raise LosslessError(f"cannot write the video {self.path}; expected a writable path that ends in .mp4")
        for picture in self._pictures:
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        writer.release()


def film_strip(pictures: Sequence[np.ndarray], count: int = 8) -> np.ndarray:
    """`count` pictures (H, W, 3) spread evenly over an episode, side by side: (H, count * W, 3)."""
    chosen = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    return np.hstack([pictures[i] for i in chosen])


def png_uri(picture: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 as a data URI for a page."""
    return _uri(picture, "png", lambda image, stream: image.save(stream, "PNG"))


def animation_uri(pictures: Sequence[np.ndarray], rate_hz: float, quality: int = 60) -> str:
    """Pictures (H, W, 3) uint8 as an animated WebP in a data URI for a page."""
    from PIL import Image

    images = [Image.fromarray(p) for p in pictures]
    options = {"save_all": True, "append_images": images[1:], "duration": round(1000 / rate_hz), "loop": 0}
    return _uri(pictures[0], "webp", lambda image, stream: image.save(stream, "WEBP", quality=quality, **options))


def _uri(picture: np.ndarray, kind: str, save) -> str:  # type: ignore[no-untyped-def]
    from PIL import Image

    stream = BytesIO()
    save(Image.fromarray(picture), stream)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"

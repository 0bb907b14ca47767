"""Videos of episodes (MP4), film strips and short animations for reports."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.episode import episode_name

_SCALE = 2  # of the camera images
_ROW, _BAR = 14, 90  # height of a line, and largest length of an action's bar [px]
_INK, _BLUE, _GRAY = (235, 235, 235), (90, 160, 250), (70, 70, 70)


class EpisodeVideo:
    """An MP4 file (mp4v) of an episode: cameras side by side, the commands below, and a line of text.

    Images are written as they are added.

    Raises:
        LosslessError: the file cannot be written.
    """

    def __init__(self, path: Path, contract: Contract, rate_hz: float) -> None:
        self.path = path
        self._contract, self._rate_hz = contract, rate_hz
        self._writer: Any = None

    def add(self, images: Sequence[np.ndarray], action: np.ndarray, text: str) -> None:
        """Add the images (H, W, 3) uint8 of one instant, all of one height, and their action (dim,)."""
        image = self.draw(images, action, text)
        if self._writer is None:
            self._writer = self._open(image.shape[1], image.shape[0])
        self._writer.write(image[..., ::-1])  # OpenCV wants blue first

    def draw(self, images: Sequence[np.ndarray], action: np.ndarray, text: str) -> np.ndarray:
        """Return the video's image (H', W', 3) uint8 RGB; H' and W' are even."""
        import cv2

        cameras = np.hstack(images).repeat(_SCALE, 0).repeat(_SCALE, 1)
        spec = self._contract.action
        panel = np.zeros((_ROW * (spec.dim + 1) + 8, cameras.shape[1], 3), np.uint8)
        units = [axis.unit for axis in spec.axes]
        middle = panel.shape[1] * 3 // 4

        def write(line: str, row: int) -> None:
            at = (6, _ROW * (row + 1))
            cv2.putText(panel, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, _INK, 1, cv2.LINE_AA)

        write(text, 0)
        for row, (name, limit, value) in enumerate(zip(spec.names, spec.limits, action, strict=True), 1):
            is_gripper = row > len(units)
            value_text = ("close" if value > 0 else "open") if is_gripper else f"{value:+.3f} {units[row - 1]}"
            write(f"{name} {value_text}", row)
            y, length = _ROW * (row + 1) - 9, round(_BAR * float(np.clip(value / limit, -1, 1)))
            cv2.rectangle(panel, (middle - _BAR, y), (middle + _BAR, y + 8), _GRAY, -1)
            cv2.rectangle(panel, (middle, y), (middle + length, y + 8), _BLUE, -1)
        return np.vstack([cameras, panel])

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.release()

    def _open(self, width: int, height: int) -> Any:
        import cv2

        writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), self._rate_hz, (width, height))
        if not writer.isOpened():
            raise LosslessError(
                f"cannot write the video {self.path}; expected a file that can be written and ends in .mp4"
            )
        return writer


def video_paths(video: Path | None, seeds: Sequence[int]) -> dict[int, Path]:
    """Return the output path of each seed's video: one file, or a file per seed in an existing folder.

    Raises:
        LosslessError: several seeds and no folder.
    """
    if video is None:
        return {}
    if video.is_dir():
        return {seed: video / f"{episode_name(seed)}.mp4" for seed in seeds}
    if len(set(seeds)) > 1:
        raise LosslessError(f"{video} is not a folder; videos of {len(set(seeds))} episodes need an existing folder")
    return {seeds[0]: video}


def film_strip(images: Sequence[np.ndarray], count: int = 8) -> np.ndarray:
    """Return `count` images (H, W, 3), evenly spread over an episode, side by side: (H, count * W, 3)."""
    chosen = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return np.hstack([images[i] for i in chosen])


def png_uri(image: np.ndarray) -> str:
    """Return an image (H, W, 3) uint8 as a PNG data URI."""
    return _uri(image, "png", lambda image, stream: image.save(stream, "PNG"))


def animation_uri(images: Sequence[np.ndarray], rate_hz: float, quality: int = 60) -> str:
    """Return images (H, W, 3) uint8 as an animated WebP data URI."""
    from PIL import Image

    frames = [Image.fromarray(image) for image in images]
    options = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / rate_hz), "loop": 0}
    return _uri(images[0], "webp", lambda image, stream: image.save(stream, "WEBP", quality=quality, **options))


def _uri(image: np.ndarray, kind: str, save) -> str:  # type: ignore[no-untyped-def]
    from PIL import Image

    stream = BytesIO()
    save(Image.fromarray(image), stream)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"

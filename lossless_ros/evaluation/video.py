"""Films of episodes: MP4 files, and film strips and short animations for a report."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.episode import episode_name

_SCALE = 2  # of the cameras' pictures
_ROW, _BAR = 14, 90  # height of a line, and largest length of an action's bar [px]
_INK, _BLUE, _GREY = (235, 235, 235), (90, 160, 250), (70, 70, 70)


class EpisodeVideo:
    """An MP4 file (mp4v) of an episode: cameras side by side, what was commanded below, and a line of text.

    Pictures go to the file as they come.

    Raises:
        LosslessError: the file cannot be written.
    """

    def __init__(self, path: Path, contract: Contract, rate_hz: float) -> None:
        self.path = path
        self._contract, self._rate_hz = contract, rate_hz
        self._writer: Any = None

    def add(self, images: Sequence[np.ndarray], action: np.ndarray, text: str) -> None:
        """Images (H, W, 3) uint8 of one instant, all of one height, and the action (dim,) that answers them."""
        picture = self.draw(images, action, text)
        if self._writer is None:
            self._writer = self._open(picture.shape[1], picture.shape[0])
        self._writer.write(picture[..., ::-1])  # OpenCV wants blue first

    def draw(self, images: Sequence[np.ndarray], action: np.ndarray, text: str) -> np.ndarray:
        """The film's picture (H', W', 3) uint8 RGB; H' and W' are even."""
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
            said = ("close" if value > 0 else "open") if is_gripper else f"{value:+.3f} {units[row - 1]}"
            write(f"{name} {said}", row)
            y, length = _ROW * (row + 1) - 9, round(_BAR * float(np.clip(value / limit, -1, 1)))
            cv2.rectangle(panel, (middle - _BAR, y), (middle + _BAR, y + 8), _GREY, -1)
            cv2.rectangle(panel, (middle, y), (middle + length, y + 8), _BLUE, -1)
        return np.vstack([cameras, panel])

    def close(self) -> None:
        """Finish the file."""
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
    """Where to write the films of the episodes with these seeds: one file, or a folder with a file for each.

    Raises:
        LosslessError: several seeds and no folder.
    """
    if video is None:
        return {}
    if video.is_dir():
        return {seed: video / f"{episode_name(seed)}.mp4" for seed in seeds}
    if len(set(seeds)) > 1:
        raise LosslessError(f"{video} is no folder; films of {len(set(seeds))} episodes need an existing folder")
    return {seeds[0]: video}


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

"""A camera's images on disk: one file with all images, one with where each of them starts; read one at a time.

The images are the files that a bag holds (JPEG or PNG), decoded at every access, or arrays without compression.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import LosslessError
from lossless_ros.observation.images import decompress

_COMPRESSED, _ARRAYS, _STARTS = ".images", ".rgb", ".starts.npy"  # endings of the files


@dataclass(frozen=True)
class CachedImages:
    """The images of one camera, as a sequence of arrays (H, W, 3) uint8. No file stays open.

    Attributes:
        path: file with all images.
        starts: (T + 1,) int64 offsets of the images in it, and its size [bytes].
        height, width: of the images [px].
    """

    path: Path
    starts: np.ndarray
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), self.height, self.width, 3

    @cached_property
    def _compressed(self) -> bool:
        return self.path.suffix == _COMPRESSED

    def __getitem__(self, index: int) -> np.ndarray:
        """Return one image.

        Raises:
            IndexError: there is no such image.
            LosslessError: the file is gone or damaged.
        """
        t = range(len(self))[index]
        start, end = int(self.starts[t]), int(self.starts[t + 1])
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(start)
                data = file.read(end - start)
        except OSError as error:
            raise LosslessError(f"cannot read {self.path}: {error.strerror}; it will be rebuilt") from None
        image = decompress(data) if self._compressed else np.frombuffer(data, np.uint8)
        if image is None or image.size != self.height * self.width * 3:
            raise LosslessError(f"{self.path} is damaged at image {t}; delete it, it will be rebuilt")
        return image.reshape(self.height, self.width, 3)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all images (T, H, W, 3)."""
        return np.stack([self[t] for t in range(len(self))]).astype(dtype or np.uint8, copy=False)


def write_images(folder: Path, name: str, images: Sequence[np.ndarray], files: Sequence[bytes] | None) -> None:
    """Write a camera's images under `name`: their compressed `files` if these decode to `images`, else the arrays.

    Raises:
        OSError: a file cannot be written.
    """
    compressed = files is not None and all(map(_decodes_to, files, images))
    parts = files if files is not None and compressed else [image.tobytes() for image in images]
    (folder / f"{name}{_COMPRESSED if compressed else _ARRAYS}").write_bytes(b"".join(parts))
    np.save(folder / f"{name}{_STARTS}", np.cumsum([0, *map(len, parts)], dtype=np.int64))


def _decodes_to(file: bytes, image: np.ndarray) -> bool:
    decoded = decompress(file)
    return decoded is not None and np.array_equal(decoded, image)


def open_images(folder: Path, name: str, height: int, width: int) -> CachedImages:
    """Return the images (T, height, width, 3) that were written under `name`.

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """
    starts = np.load(folder / f"{name}{_STARTS}")
    paths = [path for path in (folder / f"{name}{ending}" for ending in (_COMPRESSED, _ARRAYS)) if path.is_file()]
    if not paths or paths[0].stat().st_size != starts[-1]:
        raise ValueError(f"the images of {name} are missing or cut off")
    return CachedImages(paths[0], starts, height, width)

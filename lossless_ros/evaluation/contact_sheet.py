"""A contact sheet: first images of episodes in a randomized domain."""

from pathlib import Path

import cv2
import numpy as np

from lossless_ros.errors import LosslessError
from lossless_ros.files import check_writable
from lossless_ros.simulation.env import make_env

COLUMNS, ROWS = 6, 4
CAMERA = "basket_front_left"
_SCALE, _CAPTION = 2, 18  # enlarged; height of the caption [px]


def write_contact_sheet(domain: str, out: Path, task: str, seed: int = 0, image_size: int = 128) -> None:
    """Write the first images of 24 episodes with seeds from `seed` on, each with its seed below.

    Raises:
        LosslessError: unknown task or domain, or the file cannot be written.
    """
    if out.suffix not in (".png", ".jpg"):
        raise LosslessError(f"cannot write {out}: expected a name that ends in .png or .jpg")
    check_writable(out)
    env = make_env(task, domain, (CAMERA,), image_size)
    seeds = range(seed, seed + COLUMNS * ROWS)
    tiles = [_tile(env.reset(seed=one)[0][CAMERA], one) for one in seeds]
    env.close()
    rows = [np.hstack(tiles[row * COLUMNS : (row + 1) * COLUMNS]) for row in range(ROWS)]
    ok, data = cv2.imencode(out.suffix, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    assert ok
    try:
        out.write_bytes(data.tobytes())
    except OSError as error:
        raise LosslessError(f"cannot write {out}: {error.strerror}") from None


def _tile(image: np.ndarray, seed: int) -> np.ndarray:
    """Return an image (H, W, 3), enlarged, with its seed below and a white margin."""
    large = cv2.resize(image, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST)
    tile = cv2.copyMakeBorder(large, 2, _CAPTION, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (6, tile.shape[0] - 5)
    return cv2.putText(tile, f"seed {seed}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)

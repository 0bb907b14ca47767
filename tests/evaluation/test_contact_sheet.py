"""Contact sheets of domains."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.contact_sheet import write_contact_sheet


def test_contact_sheet_shows_24_different_draws(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_contact_sheet("randomized", path, "rgb_stacking/triplet1", image_size=32)
    sheet = cv2.imread(str(path))
    height, width = sheet.shape[0] // 4, sheet.shape[1] // 6
    tiles = sheet.reshape(4, height, 6, width, 3).swapaxes(1, 2).reshape(24, -1)
    assert len(np.unique(tiles, axis=0)) == 24


def test_contact_sheet_with_a_wrong_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LosslessError, match="expected a name that ends in .png or .jpg"):
        write_contact_sheet("nominal", tmp_path / "sheet.txt", "rgb_stacking/triplet1")

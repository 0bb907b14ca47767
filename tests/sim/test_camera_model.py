"""The camera model: each effect on an image."""

import numpy as np
import pytest
from lossless_sim.domains import DomainSample, apply_camera_model
from lossless_sim.domains.parameters import PARAMETERS


def test_nominal_camera_returns_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert apply_camera_model(image, 0, DomainSample(), np.random.default_rng(0)) is image


@pytest.mark.parametrize(
    ("effect", "value"),
    [("exposure", 0.4), ("noise", 5.0), ("blur", 0.7), ("jpeg_loss", 30.0), ("gamma", 1.2), ("white_balance", 0.9)],
)
def test_effect_changes_the_image_moderately(effect: str, value: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    sample = DomainSample.of({"image": {effect: [value] * PARAMETERS["image"][effect].size}})
    result = apply_camera_model(image, 0, sample, np.random.default_rng(0))
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    assert 0 < np.abs(result.astype(int) - image).mean() < 80


def test_distortion_keeps_the_image_center_in_place() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[32, 32] = image[4, 4] = 255
    sample = DomainSample.of({"cameras": {"distortion": [0.0, -0.06, 0.0]}})
    distorted = apply_camera_model(image, 1, sample, np.random.default_rng(0))
    assert distorted[32, 32].min() > 200
    assert distorted[4, 4].max() < 200

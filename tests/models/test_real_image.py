"""The photograph of Grace Hopper that ships with matplotlib is classified as ImageNet's "military uniform"."""

from pathlib import Path

import cv2
import matplotlib
import pytest
import torch
from timm.data import ImageNetInfo

from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters
from lossless_ros.models.preprocess import normalize, to_batch
from tests.support.policies import randomize_parameters

MILITARY_UNIFORM = 652


@pytest.fixture(scope="module")
def photograph(lite0) -> torch.Tensor:
    image = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    square = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[40:552]
    return normalize(to_batch([square[None]], 224, lite0.preprocessing, "cpu"), lite0.preprocessing)


def predicted_class(lite0, features: torch.Tensor) -> int:
    return int(lite0.classify(features).argmax())


@pytest.mark.parametrize("placements", [("bottom",), ("middle",), ("bottom", "middle")])
def test_class_is_recognized_with_adapters_loaded_but_not_applied(lite0, photograph, placements):
    assert ImageNetInfo().index_to_description(MILITARY_UNIFORM) == "military uniform"
    random = Adapters(lite0.sites, placements, 8, 1)
    randomize_parameters(random)
    adapter_set = AdapterSet(lite0, {"random": random, "new": Adapters(lite0.sites, placements, 8, 1)})
    with torch.inference_mode():
        alone = lite0.features(photograph)
        plain, adapted = adapter_set.features(torch.cat([photograph, photograph]), [None, "random"])
        shared = adapter_set.features_of_all(photograph, [None, "random"])[0]
        assert predicted_class(lite0, alone) == MILITARY_UNIFORM
        assert predicted_class(lite0, plain[None]) == MILITARY_UNIFORM
        assert torch.equal(shared, alone)
        assert torch.equal(adapter_set.features(photograph, ["new"]), alone)
        assert not torch.equal(adapted, plain)
        assert float(lite0.classify(alone).softmax(1)[0, MILITARY_UNIFORM]) > 0.4

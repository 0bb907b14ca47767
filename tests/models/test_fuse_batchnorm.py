"""BatchNorms fused into convolutions: the same features up to rounding, and the backbone itself is unchanged."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lossless_ros.models.fuse_batchnorm import fuse_batchnorm


def test_fused_copy_gives_the_same_features_without_batchnorms(lite0):
    fingerprint = lite0.fingerprint
    fused = fuse_batchnorm(lite0)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, features = lite0.features(image), fused.features(image)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(module, _BatchNorm) for module in fused.model.modules())
    assert [site.name for site in fused.sites] == [site.name for site in lite0.sites]
    assert lite0.fingerprint == fingerprint
    assert any(isinstance(module, _BatchNorm) for module in lite0.model.modules())


def test_backbone_whose_features_would_change_is_returned_unfused(lite0, monkeypatch):
    monkeypatch.setattr("lossless_ros.models.fuse_batchnorm._same_features", lambda fused, backbone: False)
    assert fuse_batchnorm(lite0) is lite0

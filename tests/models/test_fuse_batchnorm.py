"""BatchNorms folded into convolutions: the same features up to rounding, and the backbone itself is not touched."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lossless_ros.models.fuse_batchnorm import fuse_batchnorm


def test_folded_backbone_gives_the_same_features_without_batchnorms(lite0):
    fingerprint = lite0.fingerprint
    copy = fuse_batchnorm(lite0)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, got = lite0.features(image), copy.features(image)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(module, _BatchNorm) for module in copy.model.modules())
    assert [site.name for site in copy.sites] == [site.name for site in lite0.sites]
    assert lite0.fingerprint == fingerprint and any(isinstance(m, _BatchNorm) for m in lite0.model.modules())


def test_backbone_whose_norms_do_not_follow_its_convolutions_comes_back_as_it_is(lite0, monkeypatch):
    monkeypatch.setattr("lossless_ros.models.fuse_batchnorm._same", lambda one, other: False)
    assert fuse_batchnorm(lite0) is lite0

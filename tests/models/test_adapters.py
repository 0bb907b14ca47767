"""Adapters start as the identity, train alone and stay within their share of the backbone."""

import pytest
import torch
from torch.nn import functional

from lossless_ros.models.adapters import (
    MAX_SHARE,
    Adapters,
    ConvAdapter,
    GlobalAvgPool,
    TopAdapter,
    count_parameters,
    default_bottleneck_dim,
)
from tests.support.policies import randomize_parameters

PLACEMENTS = [("bottom",), ("middle",), ("bottom", "middle")]


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("placements", PLACEMENTS)
def test_adapted_backbone_starts_as_the_plain_one_bit_for_bit(lite0, placements, kernel_size):
    adapters = Adapters(lite0.sites, placements, 4, kernel_size)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(lite0.features(images, adapters), lite0.features(images))


@pytest.mark.parametrize("placements", PLACEMENTS)
def test_gradient_reaches_every_adapter_and_nothing_else(lite0, placements):
    adapters = Adapters(lite0.sites, placements, 4, 3)
    randomize_parameters(adapters)
    before = lite0.fingerprint
    lite0.features(torch.rand(1, 3, 64, 64), adapters).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.parameters())
    assert all(p.grad is None for p in lite0.model.parameters())
    assert lite0.fingerprint == before


def test_placement_selects_the_stages_with_adapters(lite0):
    sites = {p: set(Adapters(lite0.sites, (p,), 4, 3).at) for p in ("bottom", "middle")}
    assert sites["bottom"] == {"blocks_0", "blocks_1"}
    assert sites["middle"] == {f"blocks_{stage}" for stage in range(2, 7)}


def test_without_adapters_the_features_are_the_plain_ones_again(lite0):
    adapters = Adapters(lite0.sites, ("bottom", "middle"), 4, 3)
    randomize_parameters(adapters)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        plain = lite0.features(images)
        assert not torch.equal(lite0.features(images, adapters), plain)
        assert torch.equal(lite0.features(images), plain)


def test_default_bottleneck_stays_within_the_share_of_the_backbone(lite0):
    bottleneck_dim = default_bottleneck_dim(lite0.sites, 3, lite0.num_parameters)
    adapters = Adapters(lite0.sites, ("bottom", "middle"), bottleneck_dim, 3)
    assert bottleneck_dim == 24
    assert 0.005 < count_parameters(adapters) / lite0.num_parameters <= MAX_SHARE


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_number_of_parameters_is_as_computed(kernel_size):
    assert count_parameters(ConvAdapter(24, 6, kernel_size)) == ConvAdapter.num_parameters(24, 6, kernel_size)


def test_top_adapter_has_2000_outputs_whatever_the_image_size():
    top = TopAdapter(1280, 2000, 4)
    assert top.out_features == 2000
    assert {tuple(top(torch.rand(2, 1280, n, n)).shape) for n in (3, 4, 7)} == {(2, 2000)}


def test_global_average_pool_has_one_output_per_channel():
    assert GlobalAvgPool(1280)(torch.rand(2, 1280, 4, 4)).shape == (2, 1280)


@pytest.mark.parametrize("size", [3, 6, 7, 12])
def test_top_adapter_pools_like_torch(size):
    features = torch.rand(2, 8, size, size)
    torch.testing.assert_close(TopAdapter(8, 32, 4).reduce(features), functional.adaptive_avg_pool2d(features, 4))

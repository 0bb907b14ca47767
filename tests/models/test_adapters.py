import pytest
import torch
from torch.nn import functional

from lossless_ros.models.adapters import (
    MAX_SHARE,
    Adapters,
    ConvAdapter,
    GlobalAvgPool,
    TopAdapter,
    count,
    default_rank,
)
from tests.support.policies import awake

PLACEMENTS = [("bottom",), ("middle",), ("bottom", "middle")]


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("placements", PLACEMENTS)
def test_adapted_backbone_starts_as_the_plain_one_bit_for_bit(lite0, placements, kernel):
    adapters = Adapters(lite0.sites, placements, 4, kernel)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(lite0.features(images, adapters), lite0.features(images))


@pytest.mark.parametrize("placements", PLACEMENTS)
def test_gradient_reaches_every_adapter_and_nothing_else(lite0, placements):
    adapters = Adapters(lite0.sites, placements, 4, 3)
    awake(adapters)
    before = lite0.fingerprint
    lite0.features(torch.rand(1, 3, 64, 64), adapters).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.parameters())
    assert all(p.grad is None for p in lite0.model.parameters())
    assert lite0.fingerprint == before


def test_adapters_stand_where_their_placement_says(lite0):
    names = {p: set(Adapters(lite0.sites, (p,), 4, 3).at) for p in ("bottom", "middle")}
    assert names["bottom"] == {"blocks_0", "blocks_1"}
    assert names["middle"] == {f"blocks_{stage}" for stage in range(2, 7)}


def test_taking_adapters_off_gives_back_the_plain_features(lite0):
    adapters = Adapters(lite0.sites, ("bottom", "middle"), 4, 3)
    awake(adapters)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        plain = lite0.features(images)
        assert not torch.equal(lite0.features(images, adapters), plain)
        assert torch.equal(lite0.features(images), plain)


def test_default_rank_stays_within_the_share(lite0):
    rank = default_rank(lite0.sites, 3, lite0.parameters)
    adapters = Adapters(lite0.sites, ("bottom", "middle"), rank, 3)
    assert rank == 24
    assert 0.005 < count(adapters) / lite0.parameters <= MAX_SHARE


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_size_of_an_adapter_is_as_computed(kernel):
    assert count(ConvAdapter(24, 6, kernel)) == ConvAdapter.size(24, 6, kernel)


def test_top_gives_about_2000_numbers_whatever_the_image_size():
    top = TopAdapter(1280, 2000, 4)
    assert top.size == 2000
    assert {tuple(top(torch.rand(2, 1280, n, n)).shape) for n in (3, 4, 7)} == {(2, 2000)}
    assert GlobalAvgPool(1280)(torch.rand(2, 1280, 4, 4)).shape == (2, 1280)


@pytest.mark.parametrize("size", [3, 6, 7, 12])
def test_top_pools_as_torch_does(size):
    features = torch.rand(2, 8, size, size)
    torch.testing.assert_close(TopAdapter(8, 32, 4).reduce(features), functional.adaptive_avg_pool2d(features, 4))

"""The keypoint top: points where the heat maps are, whatever the sizes of the maps it reads."""

import math

import pytest
import torch

from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.keypoint_top import KeypointTop

CHANNELS = (6, 10, 12)


def maps(*sizes: int, batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, c, n, n, generator=generator) for c, n in zip(CHANNELS, sizes, strict=True)]


def outputs_of(heat: torch.Tensor, monkeypatch) -> tuple[torch.Tensor, ...]:
    """Return x, y and entropy (B, K each) of a top with these logits (B, K, h, w)."""
    count = heat.shape[1]
    top = KeypointTop(CHANNELS, 8, count)
    monkeypatch.setattr(top.heat, "forward", lambda mixed: heat)
    return top(*maps(*[heat.shape[2]] * 3, batch=len(heat)))[:, : 3 * count].split(count, 1)


@pytest.mark.parametrize("sizes", [(16, 8, 4), (6, 3, 2), (8, 8, 8), (7, 4, 2), (1, 1, 1)])
def test_outputs_have_one_size_whatever_the_maps(sizes):
    top = KeypointTop(CHANNELS, 20, 5)
    outputs = top(*maps(*sizes))
    assert outputs.shape == (2, top.out_features) == (2, 3 * 5 + 20)
    assert outputs.isfinite().all()
    assert outputs[:, :10].abs().max() <= 1
    assert -1e-6 <= outputs[:, 10:15].min() <= outputs[:, 10:15].max() <= 1 + 1e-6


def test_point_is_where_the_heat_map_peaks(monkeypatch):
    heat = torch.zeros(1, 3, 5, 5)
    heat[0, 0, 4, 1] = heat[0, 1, 0, 2] = heat[0, 2, 2, 4] = 100
    x, y, entropy = outputs_of(heat, monkeypatch)
    torch.testing.assert_close(x, torch.tensor([[-0.5, 0.0, 1.0]]))
    torch.testing.assert_close(y, torch.tensor([[1.0, -1.0, 0.0]]))
    torch.testing.assert_close(entropy, torch.zeros(1, 3))


def test_entropy_is_one_for_a_uniform_heat_map_and_half_for_its_square_root(monkeypatch):
    heat = torch.zeros(1, 2, 4, 4)
    heat[0, 1, :, 1:] = -100  # a column remains: 4 of 16 pixels
    x, y, entropy = outputs_of(heat, monkeypatch)
    torch.testing.assert_close(entropy, torch.tensor([[1.0, 0.5]]))
    torch.testing.assert_close(x, torch.tensor([[0.0, -1.0]]))
    torch.testing.assert_close(y, torch.zeros(1, 2))


def test_point_follows_an_object_that_moves():
    torch.manual_seed(0)
    top = KeypointTop((1,), 8, 4)
    with torch.no_grad():
        top.log_scale.fill_(math.log(30))
    image, moved = torch.zeros(2, 1, 1, 16, 16)
    image[..., 5:7, 4:6] = moved[..., 5:7, 9:11] = 1
    change = top(moved) - top(image)
    x, y = change[0, :4], change[0, 4:8]
    assert x.abs().max() > 0.1
    assert x.abs().max() > 5 * y.abs().max()


def test_gradient_reaches_every_parameter_and_every_map():
    top, inputs = KeypointTop(CHANNELS, 8, 5), [m.requires_grad_() for m in maps(8, 4, 2)]
    top(*inputs).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in [*top.parameters(), *inputs])


def test_points_are_in_float32_under_autocast():
    torch.manual_seed(0)
    top, inputs = KeypointTop(CHANNELS, 8, 5), maps(16, 8, 4)
    expected = top(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = top(*inputs)
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, expected, atol=0.02, rtol=0.02)
    assert not torch.equal(outputs[:, :15].bfloat16().float(), outputs[:, :15])


def test_top_for_lite0_has_the_documented_size():
    top = KeypointTop((40, 112, 320), 64, 32)
    assert top.out_features == 160
    assert count_parameters(top) == 69536

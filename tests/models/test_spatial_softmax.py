"""Fixed spatial features: where the backbone's own channels are active, without parameters."""

import torch

from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.spatial_softmax import SpatialSoftmaxPool, spatial_softmax


def test_spatial_softmax_finds_the_pixel():
    logits = torch.zeros(1, 2, 5, 5)
    logits[0, 0, 4, 1] = logits[0, 1, 0, 2] = 100
    x, y, entropy = spatial_softmax(logits)
    torch.testing.assert_close(x, torch.tensor([[-0.5, 0.0]]))
    torch.testing.assert_close(y, torch.tensor([[1.0, -1.0]]))
    torch.testing.assert_close(entropy, torch.zeros(1, 2))


def test_pool_follows_the_activation_whatever_its_scale_and_offset():
    pool = SpatialSoftmaxPool((1, 2))
    image, moved = torch.zeros(2, 1, 1, 8, 8)
    image[..., 1, 1] = moved[..., 1, 6] = 1.0
    other = torch.rand(1, 2, 4, 4)
    outputs, shifted = pool(image, other), pool(moved, other)
    assert outputs.shape == (1, pool.out_features) == (1, 9)
    assert count_parameters(pool) == 0
    change = shifted - outputs
    assert change[0, 0] > 0.5 and change[0, 1:].abs().max() < 1e-6
    torch.testing.assert_close(pool(100 * image + 7, other)[:, :2], outputs[:, :2])
    assert pool(torch.ones(1, 1, 8, 8), other).isfinite().all()

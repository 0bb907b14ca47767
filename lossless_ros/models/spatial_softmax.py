"""Positions from maps by a spatial softmax: of heat maps that are learned, or of the backbone's own channels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

_MIN_STD = 1e-4  # keeps a channel that is nearly constant over the image from being amplified


def spatial_softmax(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the expected x and y, and the entropy, of a softmax over each map (B, K, h, w).

    Each is (B, K): x from -1 for the leftmost pixel to 1 for the rightmost one, y downward, and the entropy from 0 for
    a single pixel to 1 for the uniform distribution (Levine et al., "End-to-End Training of Deep Visuomotor Policies",
    2016; Finn et al., "Deep Spatial Autoencoders for Visuomotor Learning", 2016).
    """
    height, width = logits.shape[2:]
    log_p = logits.flatten(2).log_softmax(2)
    entropy = -(log_p.exp() * log_p).sum(2) / math.log(max(2, height * width))
    p = log_p.exp().unflatten(2, (height, width))
    return _expected_position(p.sum(2)), _expected_position(p.sum(3)), entropy


class SpatialSoftmaxPool(nn.Module):
    """Where each of the backbone's own channels is active, without parameters: maps (B, C_i, h_i, w_i) to (B, F).

    Each channel is standardized over its image, so that the softmax has the same temperature for all. The outputs are
    the expected x and y of all C channels, then their means over the image: F = 3 C.
    """

    def __init__(self, in_channels: Sequence[int]) -> None:
        super().__init__()
        self.out_features = 3 * sum(in_channels)

    def forward(self, *maps: Tensor) -> Tensor:
        parts = []
        for values in maps:
            mean = values.float().mean((2, 3), keepdim=True)
            centered = values.float() - mean
            std = centered.square().mean((2, 3), keepdim=True).sqrt()
            x, y, _ = spatial_softmax(centered / std.clamp(min=_MIN_STD))
            parts += [x, y, mean.flatten(1)]
        return torch.cat(parts, 1)


def _expected_position(p: Tensor) -> Tensor:
    """Return the expectation (B, K) of distributions (B, K, n) over n positions from -1 to 1."""
    return (p * torch.linspace(-1, 1, p.shape[2], device=p.device)).sum(2)

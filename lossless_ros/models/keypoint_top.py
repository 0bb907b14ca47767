"""The top adapter that passes on where things are: points in the image, read from several scales of the backbone."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossless_ros.models.spatial_softmax import spatial_softmax

_MAX_GROUPS = 8  # of the normalization


class KeypointTop(nn.Module):
    """Heat maps from several scales, each reduced to one point: maps (B, C_i, h_i, w_i) to (B, out_features).

    1x1 convolutions bring the maps to the same channels, bilinear interpolation to the size of the first, which is the
    finest, and their sum is normalized and mixed by a 3x3 convolution. A spatial softmax turns each heat map into a
    distribution over the image.

    The outputs are, for K heat maps and C channels: the expected x of each heat map (K), its expected y (K), its
    entropy (K), see `spatial_softmax`, and the mean of each channel (C).
    """

    def __init__(self, in_channels: Sequence[int], channels: int, num_keypoints: int) -> None:
        """Read maps with `in_channels` channels each, from the finest to the coarsest."""
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in in_channels)
        self.norm = nn.GroupNorm(math.gcd(channels, _MAX_GROUPS), channels)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        self.heat = nn.Conv2d(channels, num_keypoints, 1, bias=False)  # a softmax ignores a bias
        self.log_scale = nn.Parameter(torch.zeros(num_keypoints))  # log of the inverse temperature
        self.out_features = 3 * num_keypoints + channels

    def forward(self, *maps: Tensor) -> Tensor:
        mixed = functional.gelu(self.mix(functional.gelu(self.norm(self._merge(maps)))))
        # In float32 also under autocast: bfloat16 keeps two to three digits of a position.
        logits = self.heat(mixed).float() * self.log_scale.exp()[:, None, None]
        return torch.cat([*spatial_softmax(logits), mixed.float().mean((2, 3))], 1)

    def _merge(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the sum of all maps (B, C, h, w), at the size of the first."""
        merged = self.lateral[0](maps[0])
        size = merged.shape[2:]
        for lateral, coarse in zip(list(self.lateral)[1:], maps[1:], strict=True):
            y = lateral(coarse)  # before it is enlarged, while it is small
            same = y.shape[2:] == size
            merged = merged + (y if same else functional.interpolate(y, size, mode="bilinear", align_corners=False))
        return merged

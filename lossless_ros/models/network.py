"""The trainable part of a policy: adapters, top, head, statistics. The shared backbone is an argument, never a part."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from lossless_ros.contract import Contract
from lossless_ros.models.adapters import Adapters, Pool, Top
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.own_backbone import own_backbone
from lossless_ros.models.preprocess import normalise

MIN_STD = 0.01  # [rad, m or 1] proprioception that hardly moves in the data is not blown up beyond this


class Network(nn.Module):
    """From images and proprioception to a raw action: velocities in units of their limits, then the gripper's logit."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, backbone: Backbone, contract: Contract) -> None:
        super().__init__()
        self.config = config
        self.cameras = len(contract.cameras)
        self.adapters = Adapters(backbone.sites, config.placements, config.rank, config.kernel)
        self.own = own_backbone(backbone, config.own_backbone) if config.own_backbone else None
        channels = backbone.feature_channels
        with_top = "top" in config.placements
        self.top = Top(channels, config.top_size, config.top_grid) if with_top else Pool(channels)
        self.register_buffer("mean", torch.zeros(contract.proprioception_dim))
        self.register_buffer("std", torch.ones(contract.proprioception_dim))
        self.norm = nn.LayerNorm(self.top.size)
        widths = (self.cameras * self.top.size + contract.proprioception_dim, *config.hidden)
        layers: list[nn.Module] = []
        for i, o in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(i, o), nn.LayerNorm(o), nn.GELU()]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], contract.action.dim))

    def fit_statistics(self, proprioception: np.ndarray) -> None:
        """Take mean and deviation of the proprioception from data (N, P)."""
        self.mean.copy_(torch.from_numpy(proprioception.mean(0)))
        self.std.copy_(torch.from_numpy(proprioception.std(0)).clamp(min=MIN_STD))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take tensors whose names and shapes are known to be this network's."""
        self.load_state_dict(tensors, strict=False)  # torch makes up counts of batches, which own backbones lack

    @property
    def feature_is_plain(self) -> bool:
        """Whether the last feature is the shared backbone's, so that it can be computed once for all."""
        return not self.adapters.at and self.own is None

    def features(self, backbone: Backbone, images: Tensor) -> Tensor:
        """Adapted feature (N, C, h, w) of images (N, 3, S, S) in 0..1."""
        backbone = self.own.backbone if self.own else backbone
        return backbone.spatial(backbone.features(normalise(images, backbone.preprocessing), self.adapters))

    def decide(self, features: Tensor, proprioception: Tensor) -> Tensor:
        """Raw action (B, A) from features (cameras * B, C, h, w), cameras outermost, and proprioception (B, P)."""
        seen = self.norm(self.top(features)).reshape(self.cameras, len(proprioception), -1)
        felt = (proprioception - self.mean) / self.std
        return self.head(torch.cat([*seen, felt], 1))

    def forward(self, backbone: Backbone, images: Tensor, proprioception: Tensor) -> Tensor:
        """Raw action (B, A) from images (cameras * B, 3, S, S) in 0..1 and proprioception (B, P)."""
        return self.decide(self.features(backbone, images), proprioception)


def to_action(raw: Tensor, contract: Contract) -> Tensor:
    """Velocities [m/s, rad/s] clipped to the contract's limits and the gripper in [-1, 1] from a raw action (B, A)."""
    limits = torch.tensor(contract.action.limits, device=raw.device)
    unit = torch.cat([raw[:, :-1].clamp(-1, 1), torch.tanh(raw[:, -1:] / 2)], 1)
    return unit * limits

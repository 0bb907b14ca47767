"""The trainable part of a policy: adapters, top, head, statistics. The shared backbone is an argument, never a part."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossless_ros.contract import Contract
from lossless_ros.models.action_head import select_mode, width
from lossless_ros.models.adapters import Adapters, GlobalAvgPool, TopAdapter
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.preprocess import normalize
from lossless_ros.models.trainable_backbone import trainable_backbone

MIN_STD = 0.01  # [rad, m or 1] proprioception that hardly moves in the data is not blown up beyond this


class Network(nn.Module):
    """From images and proprioception to the head's numbers, of which `point` makes actions; see `outputs`."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, backbone: Backbone, contract: Contract) -> None:
        super().__init__()
        self.config = config
        self.cameras = len(contract.cameras)
        self.adapters = Adapters(backbone.sites, config.placements, config.bottleneck_dim, config.kernel_size)
        self.trainable_backbone = (
            trainable_backbone(backbone, config.trainable_backbone) if config.trainable_backbone else None
        )
        channels = backbone.feature_channels
        with_top = "top" in config.placements
        self.top = TopAdapter(channels, config.top_size, config.top_grid) if with_top else GlobalAvgPool(channels)
        self.register_buffer("mean", torch.zeros(contract.proprioception_dim))
        self.register_buffer("std", torch.ones(contract.proprioception_dim))
        self.norm = nn.LayerNorm(self.top.size)
        widths = (self.cameras * self.top.size + contract.proprioception_dim, *config.hidden_dims)
        layers: list[nn.Module] = []
        for i, o in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(i, o), nn.LayerNorm(o), nn.GELU()]
        self.action_dim = contract.action.dim
        outputs = config.chunk_size * width(self.action_dim, config.num_modes)
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
        self.checkpointing = False  # compute the backbone's activations again for the gradient, to save memory

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
        return not self.adapters.at and self.trainable_backbone is None

    def features(self, backbone: Backbone, images: Tensor) -> Tensor:
        """Adapted feature (N, C, h, w) of images (N, 3, S, S) in 0..1."""
        backbone = self.trainable_backbone.backbone if self.trainable_backbone else backbone
        x = normalize(images, backbone.preprocessing)
        if not (self.checkpointing and torch.is_grad_enabled()):
            return backbone.spatial(backbone.features(x, self.adapters))
        for segment in backbone.segments:
            x = checkpoint(segment.run, x, self.adapters, use_reentrant=False)
        return backbone.spatial(x)

    def forward_head(self, features: Tensor, proprioception: Tensor) -> Tensor:
        """The head's numbers (B, T * W) from features (cameras * B, C, h, w), cameras outermost, and joints (B, P)."""
        seen = self.norm(self.top(features)).reshape(self.cameras, len(proprioception), -1)
        felt = (proprioception - self.mean) / self.std
        return self.head(torch.cat([*seen, felt], 1))

    def forward(self, backbone: Backbone, images: Tensor, proprioception: Tensor) -> Tensor:
        """The head's numbers (B, T * W) from images (cameras * B, 3, S, S) in 0..1 and proprioception (B, P)."""
        return self.forward_head(self.features(backbone, images), proprioception)

    def steps(self, raw: Tensor) -> Tensor:
        """The head's numbers (B, T * W) by instant: (B, T, W)."""
        return raw.unflatten(1, (self.config.chunk_size, -1))

    def select_mode(self, raw: Tensor) -> Tensor:
        """Raw actions (B, T, A), velocities in units of their limits and the gripper's logit, of the head's numbers."""
        return select_mode(self.steps(raw), self.action_dim, self.config.num_modes)


def to_action(raw: Tensor, contract: Contract) -> Tensor:
    """Velocities [m/s, rad/s] clipped to the contract's limits and the gripper in [-1, 1] of raw actions (..., A)."""
    limits = torch.tensor(contract.action.limits, device=raw.device)
    unit = torch.cat([raw[..., :-1].clamp(-1, 1), torch.tanh(raw[..., -1:] / 2)], -1)
    return unit * limits

"""The trainable part of a policy: adapters, top, head, statistics. The shared backbone is an argument of the call."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from lossless_ros.contract import Contract
from lossless_ros.models.action_head import output_dim, select_mode
from lossless_ros.models.adapters import Adapters, GlobalAvgPool, TopAdapter
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.keypoint_top import KeypointTop
from lossless_ros.models.network_config import BATCH, KEYPOINTS, SPATIAL_SOFTMAX, NetworkConfig
from lossless_ros.models.preprocess import normalize
from lossless_ros.models.spatial_softmax import SpatialSoftmaxPool
from lossless_ros.models.trainable_backbone import make_trainable_backbone

_READS_TAPS = (KeypointTop, SpatialSoftmaxPool)  # tops that read several stages of the backbone
_ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh}
MIN_STD = 0.01  # [rad, m or 1] keeps proprioception that hardly varies in the data from being amplified


class Network(nn.Module):
    """Maps images and proprioception to head outputs, which `select_mode` and `to_action` turn into actions.

    Shapes: B frames, P proprioception values, T = `chunk_size` predicted steps, W head outputs per step (see
    `action_head`), A action components.
    """

    mean: Tensor  # of the proprioception (P,)
    std: Tensor

    def __init__(self, config: NetworkConfig, backbone: Backbone, contract: Contract) -> None:
        super().__init__()
        self.config = config
        self.cameras = len(contract.cameras)
        self.adapters = Adapters(backbone.sites, config.placements, config.bottleneck_dim, config.kernel_size)
        self.trainable_backbone = (
            make_trainable_backbone(backbone, config.trainable_backbone) if config.trainable_backbone else None
        )
        self.top = _make_top(config, backbone)
        self.taps = tuple(backbone.taps) if isinstance(self.top, _READS_TAPS) else ()  # see `Backbone.maps`
        self.register_buffer("mean", torch.zeros(contract.proprioception_dim))
        self.register_buffer("std", torch.ones(contract.proprioception_dim))
        batch_norm = config.head_norm == BATCH
        self.norm = nn.Identity() if batch_norm else nn.LayerNorm(self.top.out_features)
        self.embedding_dim = self.cameras * self.top.out_features + contract.proprioception_dim
        self.input_norm = _make_batch_norm(self.embedding_dim) if batch_norm else nn.Identity()
        dims = (self.embedding_dim, *config.hidden_dims)
        layers: list[nn.Module] = []
        for i, o in zip(dims, dims[1:], strict=False):
            norms = [] if batch_norm else [nn.LayerNorm(o)]
            layers += [nn.Linear(i, o), *norms, _ACTIVATIONS[config.activation]()]
        self.hidden_dim = dims[-1]  # width of the head's last hidden layer
        self.num_velocities = len(contract.action.axes)
        outputs = config.chunk_size * output_dim(contract.action.dim, self.num_velocities, config.num_modes)
        self.head = nn.Sequential(*layers, nn.Linear(dims[-1], outputs))
        self.auxiliary: nn.Module | None = None  # training may add a head for another task, which no bundle has
        self.gradient_checkpointing = False  # recompute the backbone's activations in the backward pass: less memory

    def fit_statistics(self, proprioception: np.ndarray) -> None:
        """Set mean and standard deviation of the proprioception from data (N, P)."""
        self.mean.copy_(torch.from_numpy(proprioception.mean(0)))
        self.std.copy_(torch.from_numpy(proprioception.std(0)).clamp(min=MIN_STD))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Load tensors whose names and shapes have been checked against this network's."""
        # Not strict: torch adds the BatchNorms' num_batches_tracked, which trainable backbones do not have.
        self.load_state_dict(tensors, strict=False)

    @property
    def feature_is_plain(self) -> bool:
        """Whether the features are the shared backbone's own, so that they can be computed once and cached."""
        return not self.adapters.at and self.trainable_backbone is None

    def features(self, backbone: Backbone, images: Tensor) -> tuple[Tensor, ...]:
        """Return the adapted features that the top reads, maps (N, C, h, w), of images (N, 3, S, S) in 0..1."""
        backbone = self.trainable_backbone.backbone if self.trainable_backbone else backbone
        if self.gradient_checkpointing and torch.is_grad_enabled():
            backbone = backbone.checkpointed()
        return backbone.maps(normalize(images, backbone.preprocessing), self.taps, self.adapters)

    def reduce(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the smallest features that give the same `forward_head`, for caching."""
        return tuple(features) if isinstance(self.top, _READS_TAPS) else (self.top.reduce(*features),)

    def forward_head(self, features: Sequence[Tensor], proprioception: Tensor) -> Tensor:
        """Return the head outputs (B, T * W); the arguments are those of `embed`."""
        return self.head(self.embed(features, proprioception))

    def embed(self, features: Sequence[Tensor], proprioception: Tensor) -> Tensor:
        """Return the inputs of the head (B, `embedding_dim`).

        Args:
            features: what the top reads, maps (cameras * B, C, h, w), cameras outermost.
            proprioception: (B, P).
        """
        visual = self.norm(self.top(*features)).reshape(self.cameras, len(proprioception), -1)
        proprio = (proprioception - self.mean) / self.std
        return self.input_norm(torch.cat([*visual, proprio], 1))

    def forward(self, backbone: Backbone, images: Tensor, proprioception: Tensor) -> Tensor:
        """Return the head outputs (B, T * W).

        Args:
            backbone: the shared one; a network with a trainable backbone uses its own.
            images: (cameras * B, 3, S, S) in 0..1, cameras outermost.
            proprioception: (B, P).
        """
        return self.forward_head(self.features(backbone, images), proprioception)

    def per_step(self, outputs: Tensor) -> Tensor:
        """Return head outputs (B, T * W) as (B, T, W)."""
        return outputs.unflatten(1, (self.config.chunk_size, -1))

    def select_mode(self, outputs: Tensor) -> Tensor:
        """Return the normalized actions (B, T, A) of head outputs (B, T * W), see `action_head.select_mode`."""
        return select_mode(self.per_step(outputs), self.num_velocities, self.config.num_modes)


def _make_batch_norm(size: int) -> nn.BatchNorm1d:
    """Return a BatchNorm without torch's unused counter of batches, which would end up in the bundle."""
    norm = nn.BatchNorm1d(size)
    norm.num_batches_tracked = None
    return norm


def _make_top(
    config: NetworkConfig, backbone: Backbone
) -> GlobalAvgPool | SpatialSoftmaxPool | TopAdapter | KeypointTop:
    """Return what reduces the backbone's features to a vector per image."""
    if "top" not in config.placements:
        if config.pooling == SPATIAL_SOFTMAX:
            return SpatialSoftmaxPool(tuple(backbone.taps.values()))
        return GlobalAvgPool(backbone.feature_channels)
    if config.top == KEYPOINTS:
        return KeypointTop(tuple(backbone.taps.values()), config.keypoint_channels, config.num_keypoints)
    return TopAdapter(backbone.feature_channels, config.top_size, config.top_grid)


def to_action(normalized: Tensor, contract: Contract) -> Tensor:
    """Return actions (..., A) from normalized ones: velocities [m/s, rad/s] within the limits, gripper in [-1, 1].

    A contract without a gripper has only the velocities.
    """
    limits = torch.tensor(contract.action.limits, device=normalized.device)
    if contract.action.gripper is None or contract.action.continuous_gripper:
        return normalized.clamp(-1, 1) * limits
    unit = torch.cat([normalized[..., :-1].clamp(-1, 1), torch.tanh(normalized[..., -1:] / 2)], -1)
    return unit * limits

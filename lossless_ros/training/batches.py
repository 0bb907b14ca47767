"""Inputs of a training step: which frames, their images or cached features, and their proprioception."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.episodes.dataset import Batch, Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import to_batch
from lossless_ros.training import sampler
from lossless_ros.training.augment import BatchRng, augment
from lossless_ros.training.distributed import ProcessGroup
from lossless_ros.training.features import FeatureCache, Features
from lossless_ros.training.hyperparameters import Hyperparameters

_MAX_FEATURE_SHARE = 0.3  # of the time budget, for computing cached features


@dataclass(frozen=True)
class TrainingData:
    """The frames that a policy is trained on, and the held-out ones that it is validated on."""

    training: Dataset
    held_out: Dataset

    @property
    def episodes(self) -> tuple[DecodedEpisode, ...]:
        """Return the episodes of both."""
        return (*self.training.episodes, *self.held_out.episodes)


@dataclass(frozen=True)
class StepBatch:
    """A batch over all processes, with the inputs of this process's share of it.

    Attributes:
        frames: indices in the dataset (B,).
        local: positions in `frames` that this process computes (L,).
        visual: augmented images (cameras * L, 3, S, S) in 0..1, or features: maps (cameras * L, C, h, w). Cameras are
            outermost.
        proprio: proprioception (L, P).
    """

    frames: np.ndarray
    local: np.ndarray
    visual: Tensor | tuple[Tensor, ...]
    proprio: Tensor


class BatchLoader:
    """Loads the batches of a run. Frames and random numbers of a step depend only on seed and step.

    Args:
        config: hyperparameters.
        data: training and held-out frames.
        network: its image size, cameras and top count.
        backbone: computes cached features.
        group: this process and its device.
        speed_limits: of the velocities (V,) [m/s, rad/s]; no-ops are relative to them.

    Raises:
        LosslessError: every frame is a no-op.
    """

    def __init__(
        self,
        config: Hyperparameters,
        data: TrainingData,
        network: Network,
        backbone: Backbone,
        group: ProcessGroup,
        speed_limits: np.ndarray,
    ) -> None:
        self._config, self._data, self._network, self._backbone = config, data.training, network, backbone
        self._group = group
        self._features: Features | None = None
        self._frames = data.training.filter_noops(speed_limits, config.noop_threshold)
        if not len(self._frames):
            raise LosslessError(
                f"noop_threshold is {config.noop_threshold:g} and leaves no frame; all speeds are below that"
            )

    def features(self, step: int) -> StepBatch:
        """Return the step's batch of features of the bare backbone; the first call loads or computes all of them."""
        features, config = self._load_features(), self._config
        chosen = sampler.batch_indices(len(features), config.batch_size, config.seed, step)
        frames, local = features.frames[chosen], self._group.share(len(chosen))
        proprio = self.tensor(self._data.proprioception[frames[local]])
        maps = features.sample(chosen, local, sampler.step_generator(config.seed, step))
        visual = tuple(values.to(self._group.device) for values in maps)
        return StepBatch(frames, local, visual, proprio)

    def release_features(self) -> None:
        """Release the cached features; the next step is on images."""
        self._features = None

    def augmented_images(self, step: int) -> StepBatch:
        """Return the step's batch of augmented images."""
        config, cameras = self._config, self._network.cameras
        frames = self._frames[sampler.batch_indices(len(self._frames), config.batch_size, config.seed, step)]
        local = self._group.share(len(frames))
        batch = self._data.batch(frames[local])
        camera_starts = np.arange(cameras)[:, None] * len(frames)
        generator = sampler.step_generator(config.seed, step)
        rng = BatchRng(cameras * len(frames), (camera_starts + local).ravel(), generator)
        visual = augment(self.images(batch), config.random_shift, config.color_jitter, rng)
        return StepBatch(frames, local, visual, self.tensor(batch.proprioception))

    def images(self, batch: Batch) -> Tensor:
        """Return the images of a batch on the device, (cameras * B, 3, S, S) in 0..1."""
        size = self._network.config.image_size
        return to_batch(batch.images, size, self._backbone.preprocessing, self._group.device)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(array).to(self._group.device)

    def _load_features(self) -> Features:
        if self._features is None:
            minutes = self._config.max_minutes
            deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes * _MAX_FEATURE_SHARE
            cache = FeatureCache(self._data, self._network, self._backbone, self._config, self._group.device)
            with self._group.main_first():
                self._features = cache.load(self._frames, deadline)
        return self._features

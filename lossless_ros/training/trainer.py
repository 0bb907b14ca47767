"""Trainer of one policy: its state, a training step, a validation, and the progress of the run."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lossless_ros.contract import Contract
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.fuse_batchnorm import fuse_batchnorm
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.runtimes.registry import find_runtime
from lossless_ros.training.batches import BatchLoader, StepBatch, TrainingData
from lossless_ros.training.distributed import ProcessGroup
from lossless_ros.training.frozen_maps import FrozenMaps
from lossless_ros.training.hyperparameters import Hyperparameters
from lossless_ros.training.loss import action_errors, loss, speed_limits
from lossless_ros.training.object_targets import NO_ERRORS, ObjectHead, object_targets
from lossless_ros.training.optimizer import decay, make_optimizer, set_learning_rate, warmup

_MAX_VALIDATION_SHARE = 0.1  # of the time budget, for validations
_VALIDATION_BATCH = 16  # frames


class NotFiniteError(Exception):
    """The loss or gradient of a step is not finite; the network was not changed."""


class Trainer:
    """Trains a network, first on cached features of the bare backbone if the run has any, then on augmented images.

    It adds the auxiliary head that the settings ask for, if the data has object poses.

    Args:
        config: hyperparameters.
        contract: of the data.
        backbone: the shared frozen one, on the group's device.
        network: what is trained, on the group's device.
        data: training and held-out frames.
        group: this process and its device.
        started: when the run started (time.monotonic) [s].

    Raises:
        LosslessError: every frame is a no-op.
    """

    def __init__(
        self,
        config: Hyperparameters,
        contract: Contract,
        backbone: Backbone,
        network: Network,
        data: TrainingData,
        group: ProcessGroup,
        started: float,
    ) -> None:
        self.config, self.contract, self.data, self.group = config, contract, data, group
        self.backbone, self.network = fuse_batchnorm(backbone), network
        self.step = 0
        self.curve: list[dict[str, Any]] = []
        self._targets = object_targets(contract, data, config)
        if self._targets is not None:
            network.auxiliary = ObjectHead(network.embedding_dim, network.hidden_dim, self._targets.num_widths)
            network.auxiliary.to(group.device)
        self._limits = speed_limits(contract, group.device)
        limits = np.array(contract.action.speed_limits)
        self._batches = BatchLoader(config, data, network, self.backbone, group, limits)
        self._started = started
        self._recent_losses: list[float] = []  # since the last point of the curve
        self._validation_s = 0.0  # duration of the last validation [s]
        self._validated_at = 0.0  # end of the last validation, in seconds of the run
        self._feature_steps = _count_feature_steps(config, network)
        self._phase_step, self._phase_progress = 0, 0.0  # start of the phase on images
        network.gradient_checkpointing = config.gradient_checkpointing
        self._ema: Any = None
        if config.ema_decay:
            self._ema = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True)
        self._frozen_maps: FrozenMaps | None = None
        if network.feature_is_plain and find_runtime(config.backbone_runtime, group.device) == "openvino":
            self._frozen_maps = FrozenMaps(self.backbone, network.taps)
        self._policy: nn.Module = _PolicyForward(network, self.backbone, self._frozen_maps)
        if group.size > 1:
            # Adapters while on features, and the layers of a trainable backbone after the last one that the top reads.
            has_unused = self._feature_steps > 0 and not network.feature_is_plain
            has_unused |= network.trainable_backbone is not None and bool(network.taps)
            self._policy = DistributedDataParallel(self._policy, find_unused_parameters=has_unused)
        self._optimizer = make_optimizer(network, config)

    @property
    def elapsed(self) -> float:
        """Duration of the run [s], including the time before it was resumed."""
        return time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end: the share of the steps or of the time budget, whichever is larger."""
        progress = self.step / self.config.steps
        if self.config.max_minutes is not None:  # reserve time for the last validation
            progress = max(progress, (self.elapsed + self._validation_s) / (60 * self.config.max_minutes))
        return min(1.0, progress)

    @property
    def can_validate(self) -> bool:
        """Whether there is time for a validation: with a time budget, validations take at most a tenth of it."""
        if self.config.max_minutes is None:
            return True
        since = self.elapsed - self._validated_at
        return self._validation_s < _MAX_VALIDATION_SHARE * (since + self._validation_s)

    @property
    def result(self) -> Network:
        """The trained network, or the exponential moving average of its weights if the run keeps one."""
        return self.network if self._ema is None else self._ema.module

    def train_step(self) -> float:
        """Take one optimizer step and return its loss.

        Raises:
            NotFiniteError: the loss or gradient is not finite; the network was not changed.
        """
        outputs, objects, batch = self._forward()
        value = self._loss(outputs, self.data.training, batch.frames, batch.local)
        if self._targets is not None and objects is not None:
            targets = self._batches.tensor(self._targets.of(self.data.training, batch.frames))
            value = value + self._targets.loss(objects, targets, batch.local, self.group.size)
        self._optimizer.zero_grad(set_to_none=True)
        value.backward()
        limit = math.inf if self.config.grad_clip_norm is None else self.config.grad_clip_norm
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if not math.isfinite(value.item()) or not math.isfinite(norm.item()):
            raise NotFiniteError
        set_learning_rate(self._optimizer, self._learning_rate_scale())
        self._optimizer.step()
        if self._ema is not None:
            self._ema.update_parameters(self.network)
        self.step += 1
        self._recent_losses.append(self.group.mean(value))
        return self._recent_losses[-1]

    def validate(self) -> dict[str, Any]:
        """Compute loss and errors on the held-out episodes, and append them to the learning curve.

        Returns:
            step, train_loss (mean since the last validation, with augmentation), held_out_loss, learning_rate (of the
            last step), seconds (of the run), mae (per axis [m/s or rad/s]), gripper_agreement (only with a gripper),
            object_error_mm and object_width_error_mm (per object; None without an auxiliary head or object poses).
        """
        started = time.monotonic()
        data, network = self.data.held_out, self.result.eval()
        frames = data.spread(self.config.val_frames)
        with torch.inference_mode():
            outputs, objects = self._predict(network, data, frames)
            held_out_loss = self._loss(outputs, data, frames).item()
            actions = self._batches.tensor(data.actions[frames])
            errors = action_errors(network.select_mode(outputs)[:, 0], actions, self.contract)
            errors |= NO_ERRORS
            if self._targets is not None and objects is not None:
                errors |= self._targets.errors(objects, self._batches.tensor(self._targets.of(data, frames)))
        self._validation_s, self._validated_at = time.monotonic() - started, self.elapsed
        self.curve.append({**self._training_point(), "held_out_loss": held_out_loss, **errors})
        return self.curve[-1]

    def state(self) -> dict[str, Any]:
        """Return everything that a resumed run needs, for a checkpoint."""
        return {
            "step": self.step,
            "elapsed": self.elapsed,
            "phase": [self._phase_step, self._phase_progress],
            "curve": self.curve,
            "network": self.network.state_dict(),
            "ema": self._ema.module.state_dict() if self._ema is not None else {},
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of `state()`."""
        self.step, self.curve = state["step"], list(state["curve"])
        self._phase_step, self._phase_progress = state["phase"]
        self._started = time.monotonic() - state["elapsed"]
        self.network.load(state["network"])
        if self._ema is not None:
            self._ema.module.load(state["ema"])
            self._ema.n_averaged.fill_(self.step)
        self._optimizer.load_state_dict(state["optimizer"])

    def _forward(self) -> tuple[Tensor, Tensor | None, StepBatch]:
        """Return the head outputs (L, T * W) and the auxiliary head's for this process's share of a batch, and it."""
        self.network.train()
        from_features = self.step < self._feature_steps
        if self.step == self._feature_steps:
            self._batches.release_features()
            self._phase_step, self._phase_progress = self.step, self.progress
        batch = self._batches.features(self.step) if from_features else self._batches.augmented_images(self.step)
        with self._autocast():
            outputs, objects = self._policy(batch.visual, batch.proprio)
        return outputs.float(), None if objects is None else objects.float(), batch

    def _predict(self, network: Network, data: Dataset, frames: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Return the head outputs (N, T * W) and the auxiliary head's for frames (N,)."""
        policy = _PolicyForward(network, self.backbone, self._frozen_maps)
        outputs, objects = [], []
        for chunk in np.array_split(frames, -(-len(frames) // _VALIDATION_BATCH)):
            batch = data.batch(chunk)
            with self._autocast():
                images, proprio = self._batches.images(batch), self._batches.tensor(batch.proprioception)
                actions, more = policy(images, proprio)
            outputs.append(actions.float())
            objects += [] if more is None else [more.float()]
        return torch.cat(outputs), torch.cat(objects) if objects else None

    def _loss(self, outputs: Tensor, data: Dataset, frames: np.ndarray, local: np.ndarray | None = None) -> Tensor:
        """Return the loss of `outputs` for the frames (B,).

        With `local` (L,), the outputs are only those of the frames at these positions, this process's share. The loss
        is then scaled so that the mean over all processes is the loss of all frames.
        """
        shape = self.network.config
        actions, known = data.following(frames, shape.chunk_size)
        count = known.sum() / (1 if local is None else self.group.size)
        if local is not None:
            actions, known = actions[local], known[local]
        return loss(
            self.network.per_step(outputs),
            self._batches.tensor(actions),
            self._batches.tensor(known),
            count,
            self._limits,
            self.config.gripper_weight,
            shape.num_modes,
            self.contract.action.continuous_gripper,
        )

    def _learning_rate_scale(self) -> float:
        """Return the scale of this step's learning rate: a warmup in each phase, its schedule over the last one."""
        scale = warmup(self.step - self._phase_step, self.config.warmup_steps)
        if self.step < self._feature_steps < self.config.steps:
            return scale
        progress = (self.progress - self._phase_progress) / (1 - self._phase_progress)
        return scale * decay(self.config.lr_schedule, progress)

    def _training_point(self) -> dict[str, Any]:
        """Return the training's part of a point of the learning curve, see `validate`."""
        losses, self._recent_losses = self._recent_losses, []
        return {
            "step": self.step,
            "train_loss": sum(losses) / len(losses) if losses else None,
            "held_out_loss": None,
            "learning_rate": self._optimizer.param_groups[0]["lr"] if losses else 0.0,
            "seconds": self.elapsed,
        }

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.group.device.type, torch.bfloat16, enabled=self.config.amp)


class _PolicyForward(nn.Module):
    """The forward pass that processes share, from images or from features of the bare backbone.

    Returns the head outputs, and those of the auxiliary head or None.
    """

    def __init__(self, network: Network, backbone: Backbone, frozen_maps: FrozenMaps | None) -> None:
        super().__init__()
        self.network, self._backbone, self._frozen_maps = network, backbone, frozen_maps

    def forward(self, visual: Tensor | tuple[Tensor, ...], proprio: Tensor) -> tuple[Tensor, Tensor | None]:
        network = self.network
        features = visual if isinstance(visual, tuple) else self._features(visual)
        inputs = network.embed(features, proprio)
        hidden = network.head[:-1](inputs)
        return network.head[-1](hidden), network.auxiliary(inputs, hidden) if network.auxiliary else None

    def _features(self, images: Tensor) -> tuple[Tensor, ...]:
        if self._frozen_maps is None:
            return self.network.features(self._backbone, images)
        return self._frozen_maps(images)


def _count_feature_steps(config: Hyperparameters, network: Network) -> int:
    """Return how many steps, the first ones, are trained on cached features."""
    if network.config.trainable_backbone == RANDOM:  # its features are not the shared backbone's
        return 0
    if network.feature_is_plain and config.cache_features:
        return config.steps
    return config.head_warmup_steps

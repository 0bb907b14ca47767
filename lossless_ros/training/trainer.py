"""One training run: its state, one step of it, a look at the held-out episodes, and how far along it is."""

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
from lossless_ros.episodes.dataset import Batch, Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.fuse_batchnorm import fuse_batchnorm
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import PRETRAINED, RANDOM
from lossless_ros.models.preprocess import to_batch
from lossless_ros.training import sampler as order
from lossless_ros.training.augment import BatchRng, augment
from lossless_ros.training.distributed import Group
from lossless_ros.training.features import Features, compute_features
from lossless_ros.training.hyperparameters import Hyperparameters
from lossless_ros.training.loss import errors, limits_of, loss

_FEATURE_SHARE = 0.3  # largest part of the time budget for computing features


class NotFiniteError(Exception):
    """Loss or gradient is not finite; nothing was changed by this step."""


class Run:
    """Trains `network` on `data`. Which frames a step sees depends on seed and step alone."""

    def __init__(
        self,
        config: Hyperparameters,
        contract: Contract,
        backbone: Backbone,
        network: Network,
        data: Dataset,
        held_out: Dataset,
        device: torch.device,
        began: float,
        group: Group,
    ) -> None:
        self.config, self.contract, self.device = config, contract, device
        self.backbone, self.network, self.group = fuse_batchnorm(backbone), network, group
        self.data, self.held_out = data, held_out
        self.step = 0
        self.curve: list[dict[str, Any]] = []
        self._limits = limits_of(contract, device)
        self._frames = data.filter_noops(np.array(contract.action.limits[:-1]), config.noop_threshold)  # to train on
        if not len(self._frames):
            raise LosslessError(f"idle is {config.noop_threshold:g} and leaves no frame; all speeds are below that")
        self._began = began
        self._recent: list[float] = []
        self._look_s, self._looked = 0.0, 0.0  # how long the last look took, and when it was over [s]
        self._features: Features | None = None
        self._head_start = (
            config.steps if network.feature_is_plain and config.cache_features else config.head_warmup_steps
        )
        if network.config.trainable_backbone == RANDOM:
            self._head_start = 0  # its features are not the shared backbone's
        self._phase_step, self._phase_progress = 0, 0.0  # where images took over from features
        network.gradient_checkpointing = config.gradient_checkpointing
        self._mean: Any = None  # of the weights
        if config.ema_decay:
            self._mean = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay), use_buffers=True)
        self._forward_policy: nn.Module = _PolicyForward(network, self.backbone)
        if group.size > 1:
            sometimes = self._head_start > 0 and not network.feature_is_plain  # adapters and copy take no part in it
            self._forward_policy = DistributedDataParallel(self._forward_policy, find_unused_parameters=sometimes)
        self._optimizer = torch.optim.AdamW(_groups(network, config), fused=True)

    @property
    def elapsed(self) -> float:
        """Time spent on the run [s], also before it was resumed."""
        return time.monotonic() - self._began

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end: in steps or in time, whichever is further."""
        done = self.step / self.config.steps
        if self.config.max_minutes is not None:  # leave time for the last look
            done = max(done, (self.elapsed + self._look_s) / (60 * self.config.max_minutes))
        return min(1.0, done)

    @property
    def can_look(self) -> bool:
        """Whether there is time for a look at the held-out episodes: against time, they take a tenth of it at most."""
        return self.config.max_minutes is None or self.elapsed - self._looked > 9 * self._look_s

    def advance(self) -> float:
        """One optimizer step; returns its loss.

        Raises:
            NotFiniteError: loss or gradient is not finite; the network is as it was.
        """
        raw, at, mine = self._forward()
        value = self._loss(raw, self.data, at, mine, self.group.size)
        self._optimizer.zero_grad(set_to_none=True)
        value.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.grad_clip_norm)
        if not math.isfinite(value.item()) or not math.isfinite(norm.item()):
            raise NotFiniteError
        for group in self._optimizer.param_groups:
            group["lr"] = group["full_lr"] * self._rate()
        self._optimizer.step()
        if self._mean is not None:
            self._mean.update_parameters(self.network)
        self.step += 1
        self._recent.append(self.group.mean(value))
        return self._recent[-1]

    def look(self) -> dict[str, Any]:
        """Loss and errors on the held-out episodes; becomes the learning curve's next point."""
        begin = time.monotonic()
        at = self.held_out.spread(self.config.val_frames)
        network, raws = self.result.eval(), []
        with torch.inference_mode():
            for some in np.array_split(at, -(-len(at) // 16)):
                batch = self.held_out.batch(some)
                with self._arithmetic():
                    raws.append(network(self.backbone, self._images(batch), self._tensor(batch.proprioception)).float())
            raw = torch.cat(raws)
            value = self._loss(raw, self.held_out, at, np.arange(len(at)), 1).item()
            reported = errors(network.select_mode(raw)[:, 0], self._tensor(self.held_out.actions[at]), self.contract)
        self._look_s, self._looked = time.monotonic() - begin, self.elapsed
        point = {**self.note(), "held_out_loss": value, **reported}
        self.curve.append(point)
        return point

    def note(self) -> dict[str, Any]:
        """Step, mean loss since the last note (with augmentation) and time [s]."""
        recent, self._recent = self._recent, []
        mean = sum(recent) / len(recent) if recent else None
        rate = self._optimizer.param_groups[0]["lr"] if recent else 0.0  # of the last step
        return {
            "step": self.step,
            "train_loss": mean,
            "held_out_loss": None,
            "learning_rate": rate,
            "seconds": self.elapsed,
        }

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "step": self.step,
            "elapsed": self.elapsed,
            "phase": [self._phase_step, self._phase_progress],
            "curve": self.curve,
            "network": self.network.state_dict(),
            "mean": self._mean.module.state_dict() if self._mean is not None else {},
            "optimizer": self._optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.step, self.curve = state["step"], list(state["curve"])
        self._phase_step, self._phase_progress = state["phase"]
        self._began = time.monotonic() - state["elapsed"]
        self.network.load(state["network"])
        if self._mean is not None:
            self._mean.module.load(state["mean"])
            self._mean.n_averaged.fill_(self.step)
        self._optimizer.load_state_dict(state["optimizer"])

    @property
    def result(self) -> Network:
        """What the run is for: the network, or its running mean."""
        return self.network if self._mean is None else self._mean.module

    def _loss(self, raw: Tensor, data: Dataset, at: np.ndarray, mine: np.ndarray, parts: int) -> Tensor:
        """Of the head's numbers for the frames `at[mine]` of `data`; the mean over all `parts` is that of `at`."""
        shape = self.network.config
        actions, known = data.following(at, shape.chunk_size)
        share = known.sum() / parts
        wanted, there = self._tensor(actions[mine]), self._tensor(known[mine])
        raw = self.network.per_step(raw)
        return loss(raw, wanted, there, share, self._limits, self.config.gripper_weight, shape.num_modes)

    def _arithmetic(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.amp)

    def _forward(self) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """The head's numbers for this process's part of the step's frames, these frames (B,), and which are its."""
        self.network.train()
        config, generator = self.config, order.generator(self.config.seed, self.step)
        if self.step < self._head_start:
            features = self._computed()
            chosen = order.indices(len(features), config.batch_size, config.seed, self.step)
            at, mine = features.at[chosen], self.group.part(len(chosen))
            felt = self._tensor(self.data.proprioception[at[mine]])
            seen = features.batch(chosen, mine, generator).to(self.device)
            with self._arithmetic():
                return self._forward_policy(seen, felt, plain=True).float(), at, mine
        if self.step == self._head_start:
            self._features = None
            self._phase_step, self._phase_progress = self.step, self.progress
        at = self._frames[order.indices(len(self._frames), config.batch_size, config.seed, self.step)]
        mine = self.group.part(len(at))
        batch = self.data.batch(at[mine])
        cameras = np.arange(self.network.cameras)[:, None]
        drawn = BatchRng(len(cameras) * len(at), (cameras * len(at) + mine).ravel(), generator)
        images = augment(self._images(batch), config.random_shift, config.color_jitter, drawn)
        with self._arithmetic():
            return self._forward_policy(images, self._tensor(batch.proprioception), plain=False).float(), at, mine

    def _computed(self) -> Features:
        if self._features is None:
            minutes = self.config.max_minutes
            deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes * _FEATURE_SHARE
            parts = (self.data, self._frames, self.network, self.backbone, self.config, self.device)
            with self.group.in_turn():
                self._features = compute_features(*parts, deadline)
        return self._features

    def _rate(self) -> float:
        """Learning rate in parts of the full one: a ramp at the start of each phase, a cosine over the last phase."""
        ramp = min(1.0, (self.step - self._phase_step + 1) / self.config.warmup_steps)
        if self.step < self._head_start < self.config.steps:
            return ramp
        done = (self.progress - self._phase_progress) / (1 - self._phase_progress)
        return ramp * 0.5 * (1 + math.cos(math.pi * done))

    def _images(self, batch: Batch) -> Tensor:
        size = self.network.config.image_size
        return to_batch(batch.images, size, self.backbone.preprocessing, self.device)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)


class _PolicyForward(nn.Module):
    """The one call that several processes share: from images, or from features computed once, to the head's numbers."""

    def __init__(self, network: Network, backbone: Backbone) -> None:
        super().__init__()
        self.network, self._backbone = network, backbone

    def forward(self, seen: Tensor, felt: Tensor, plain: bool) -> Tensor:
        return self.network.forward_head(seen, felt) if plain else self.network(self._backbone, seen, felt)


def _groups(network: Network, config: Hyperparameters) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and norms; a pretrained copy learns at its own rate."""
    copied = list(network.trainable_backbone.parameters()) if network.trainable_backbone else []
    ours = [p for name, p in network.named_parameters() if not name.startswith("trainable_backbone.")]
    rate = config.learning_rate
    copy_rate = rate * (config.backbone_lr_scale if network.config.trainable_backbone == PRETRAINED else 1)
    return [
        {"params": [p for p in some if (p.ndim > 1) == large], "full_lr": lr, "weight_decay": decay}
        for some, lr in ((ours, rate), (copied, copy_rate))
        for large, decay in ((True, config.weight_decay), (False, 0.0))
    ]

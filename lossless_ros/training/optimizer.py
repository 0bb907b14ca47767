"""Parameter groups of the optimizer and its learning rate schedule."""

import math
from typing import Any

import torch

from lossless_ros.models.network import Network
from lossless_ros.models.network_config import PRETRAINED
from lossless_ros.training.hyperparameters import COSINE, Hyperparameters


def make_optimizer(network: Network, config: Hyperparameters) -> torch.optim.Optimizer:
    """Return AdamW over the network's parameters; each group's `full_lr` is its learning rate before the schedule."""
    return torch.optim.AdamW(_parameter_groups(network, config), fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, scale: float) -> None:
    """Set each group's learning rate to `scale` of its full one."""
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * scale


def warmup(steps_done: int, warmup_steps: int) -> float:
    """Return the scale of the learning rate in the step after `steps_done` of a phase: a linear ramp up to 1."""
    return min(1.0, (steps_done + 1) / warmup_steps)


def decay(schedule: str, progress: float) -> float:
    """Return the scale of the learning rate at `progress` (0 to 1) of the last phase, by the name of its schedule."""
    return cosine_decay(progress) if schedule == COSINE else 1.0


def cosine_decay(progress: float) -> float:
    """Return the scale of the learning rate at `progress` (0 to 1) of the decaying phase, from 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def _parameter_groups(network: Network, config: Hyperparameters) -> list[dict[str, Any]]:
    """Group parameters by learning rate and weight decay.

    Matrices and kernels decay, biases and norms do not. A pretrained copy of the backbone has its own learning rate.
    """
    copy = list(network.trainable_backbone.parameters()) if network.trainable_backbone else []
    rest = [p for name, p in network.named_parameters() if not name.startswith("trainable_backbone.")]
    lr = config.learning_rate
    copy_lr = lr * (config.backbone_lr_scale if network.config.trainable_backbone == PRETRAINED else 1)
    return [
        {"params": [p for p in parameters if (p.ndim > 1) == decays], "full_lr": full_lr, "weight_decay": weight_decay}
        for parameters, full_lr in ((rest, lr), (copy, copy_lr))
        for decays, weight_decay in ((True, config.weight_decay), (False, 0.0))
    ]

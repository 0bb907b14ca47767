"""Decode head outputs: one action per step, either a point or a Gaussian mixture over velocities.

The outputs of one step are W numbers. A point head (`num_modes` 0) predicts A of them: the V velocities in units of
their limits, then the gripper's logit. A mixture head with K modes predicts K logits, then the means and log standard
deviations of the V velocities of each mode, then the gripper's logit. For a contract with a continuous gripper, its
position from -1 (open) to 1 (closed) is in the logit's place. Without a gripper there is neither, and A is V.
"""

import math

import torch
from torch import Tensor

_MIN_LOG_STD = -4.0  # of velocities in units of their limits; a sharper mode would only fit noise
_MAX_LOG_STD = 1.0


def output_dim(action_dim: int, num_velocities: int, num_modes: int) -> int:
    """Return W, the number of head outputs per step, for actions of `action_dim` components, velocities first."""
    return action_dim if num_modes == 0 else _mixture_dim(num_velocities, num_modes) + action_dim - num_velocities


def select_mode(outputs: Tensor, num_velocities: int, num_modes: int) -> Tensor:
    """Return normalized actions (..., A) from head outputs (..., W): the mean of the most likely mode.

    A normalized action holds the velocities in units of their limits, then the gripper's logit if there is a gripper.
    """
    if num_modes == 0:
        return outputs
    logits, means, _ = components(outputs, num_velocities, num_modes)
    best = logits.argmax(-1)[..., None, None].expand(*logits.shape[:-1], 1, num_velocities)
    gripper = outputs[..., _mixture_dim(num_velocities, num_modes) :]
    return torch.cat([means.gather(-2, best).squeeze(-2), gripper], -1)


def components(outputs: Tensor, num_velocities: int, num_modes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split head outputs (..., W) into logits (..., K), means (..., K, V) and log standard deviations alike."""
    logits, rest = outputs[..., :num_modes], outputs[..., num_modes : _mixture_dim(num_velocities, num_modes)]
    means, log_std = rest.unflatten(-1, (num_modes, 2, num_velocities)).unbind(-2)
    return logits, means, log_std.clamp(_MIN_LOG_STD, _MAX_LOG_STD)


def _mixture_dim(num_velocities: int, num_modes: int) -> int:
    """Return the number of head outputs for the mixture: per mode a logit, means and log standard deviations."""
    return num_modes * (1 + 2 * num_velocities)


def negative_log_likelihood(outputs: Tensor, velocities: Tensor, num_modes: int) -> Tensor:
    """Return the loss (...) of velocities (..., V), in units of their limits, averaged over the V velocities.

    `outputs` are those of a mixture head, (..., W).
    """
    dim = velocities.shape[-1]
    logits, means, log_std = components(outputs, dim, num_modes)
    z = (velocities[..., None, :] - means) * torch.exp(-log_std)
    log_prob = (-0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
    return -torch.logsumexp(torch.log_softmax(logits, -1) + log_prob, -1) / dim

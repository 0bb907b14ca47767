"""What the head's numbers mean: actions of one or several instants, each a point or a mixture of Gaussians.

Of each instant there are the velocities in units of their limits and, last, the gripper's logit. In place of the
velocities a mixture has, for each of its components, a logit, means and logarithms of deviations.
"""

import math

import torch
from torch import Tensor

_LOG_STD = (-4.0, 1.0)  # range of a component's deviation, in units of the limits: sharper ones would only fit noise


def width(action_dim: int, mixture: int) -> int:
    """How many numbers an instant's action takes; `mixture` is the number of components, 0 for a point."""
    return action_dim if mixture == 0 else mixture * (1 + 2 * (action_dim - 1)) + 1


def select_mode(raw: Tensor, action_dim: int, mixture: int) -> Tensor:
    """The action (..., A), velocities in units of limits and the gripper's logit: the likeliest Gaussian's mean."""
    if mixture == 0:
        return raw
    logits, means, _ = components(raw, action_dim, mixture)
    best = logits.argmax(-1)[..., None, None].expand(*logits.shape[:-1], 1, action_dim - 1)
    return torch.cat([means.gather(-2, best).squeeze(-2), raw[..., -1:]], -1)


def components(raw: Tensor, action_dim: int, mixture: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (..., K), means and logarithms of deviations (..., K, A - 1) of a mixture's velocities."""
    logits, rest = raw[..., :mixture], raw[..., mixture:-1]
    means, log_std = rest.unflatten(-1, (mixture, 2, action_dim - 1)).unbind(-2)
    return logits, means, log_std.clamp(*_LOG_STD)


def negative_log_likelihood(raw: Tensor, velocities: Tensor, mixture: int) -> Tensor:
    """Of velocities (..., A - 1) in units of their limits, per velocity: (...)."""
    dim = velocities.shape[-1]
    logits, means, log_std = components(raw, dim + 1, mixture)
    off = (velocities[..., None, :] - means) * torch.exp(-log_std)
    each = (-0.5 * off.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
    return -torch.logsumexp(torch.log_softmax(logits, -1) + each, -1) / dim

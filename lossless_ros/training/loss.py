"""What is minimised, and what is reported: errors per axis in units, agreement of the gripper."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.contract import Contract
from lossless_ros.models.action_head import negative_log_likelihood
from lossless_ros.models.network import to_action


def loss(
    raw: Tensor, actions: Tensor, known: Tensor, count: float, limits: Tensor, gripper_weight: float, mixture: int
) -> Tensor:
    """Error of the velocities in units of their limits, plus the gripper's weighted cross-entropy.

    The velocities' error is the mean square, or with a `mixture` the negative log-likelihood per velocity.

    Args:
        raw: the head's numbers by instant (B, T, W), see `models.outputs`.
        actions: what the expert did (B, T, A): m/s, rad/s, gripper > 0 closes.
        known: which instants are in the episode (B, T).
        count: of the instants that the mean is over.
        limits: the contract's (A,).
        gripper_weight: of the cross-entropy.
    """
    wanted = actions[..., :-1] / limits[:-1]
    closes = (actions[..., -1] > 0).float()
    arm = negative_log_likelihood(raw, wanted, mixture) if mixture else (raw[..., :-1] - wanted).square().mean(-1)
    gripper = functional.binary_cross_entropy_with_logits(raw[..., -1], closes, reduction="none")
    return (arm + gripper_weight * gripper)[known].sum() / count


def errors(raw: Tensor, actions: Tensor, contract: Contract) -> dict[str, Any]:
    """Mean absolute error per axis [m/s or rad/s] and the share of frames in which the gripper agrees.

    Args:
        raw: raw actions (B, A), velocities in units of their limits and the gripper's logit.
        actions: what the expert did (B, A).
        contract: their names and limits.
    """
    action = to_action(raw, contract)
    mean = (action - actions).abs().mean(0).tolist()
    agreement = ((raw[:, -1] > 0) == (actions[:, -1] > 0)).float().mean().item()
    axes = contract.action.names[:-1]
    return {"mae": dict(zip(axes, mean, strict=False)), "gripper_agreement": agreement}


def limits_of(contract: Contract, device: torch.device | str) -> Tensor:
    """Largest magnitude of each output (A,)."""
    return torch.tensor(contract.action.limits, device=device)

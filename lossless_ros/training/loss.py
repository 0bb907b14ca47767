"""What is minimised, and what is reported: errors per axis in units, agreement of the gripper."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.contract import Contract
from lossless_ros.models.network import to_action


def loss(raw: Tensor, actions: Tensor, limits: Tensor, gripper_weight: float) -> Tensor:
    """Mean squared error of velocities in units of their limits, plus the gripper's weighted cross-entropy.

    Args:
        raw: the network's output (B, A).
        actions: what the expert did (B, A): m/s, rad/s, gripper > 0 closes.
        limits: the contract's (A,).
        gripper_weight: of the cross-entropy.
    """
    arm = functional.mse_loss(raw[:, :-1], actions[:, :-1] / limits[:-1])
    closes = (actions[:, -1] > 0).float()
    return arm + gripper_weight * functional.binary_cross_entropy_with_logits(raw[:, -1], closes)


def errors(raw: Tensor, actions: Tensor, contract: Contract) -> dict[str, Any]:
    """Mean absolute error per axis [m/s or rad/s] and the share of frames in which the gripper agrees."""
    action = to_action(raw, contract)
    mean = (action - actions).abs().mean(0).tolist()
    agreement = ((raw[:, -1] > 0) == (actions[:, -1] > 0)).float().mean().item()
    axes = contract.action.names[:-1]
    return {"mae": dict(zip(axes, mean, strict=False)), "gripper_agreement": agreement}


def limits_of(contract: Contract, device: torch.device | str) -> Tensor:
    """Largest magnitude of each output (A,)."""
    return torch.tensor(contract.action.limits, device=device)

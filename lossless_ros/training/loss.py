"""The training loss, and the errors that a validation reports."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.contract import Contract
from lossless_ros.models.action_head import negative_log_likelihood
from lossless_ros.models.network import to_action


def loss(
    outputs: Tensor,
    actions: Tensor,
    known: Tensor,
    count: float,
    limits: Tensor,
    gripper_weight: float,
    num_modes: int,
    continuous_gripper: bool = False,
) -> Tensor:
    """Return the loss of the velocities plus the weighted loss of the gripper, averaged over `count` steps.

    The loss of the velocities, in units of their limits, is the mean squared error, or for a mixture head the negative
    log-likelihood per velocity. That of the gripper is the cross-entropy, or the squared error of a continuous one.
    Actions that end with the velocities have no gripper, and the loss is that of the velocities.

    Args:
        outputs: head outputs per predicted step (B, T, W), see `models.action_head`.
        actions: the expert's actions (B, T, A) [m/s, rad/s]; what follows the V velocities closes the gripper where it
            is positive.
        known: which steps lie within the episode (B, T).
        count: number of steps to average over.
        limits: the contract's limits of the velocities (V,).
        gripper_weight: weight of the gripper's loss.
        num_modes: modes of a mixture head, 0 for a point head.
        continuous_gripper: whether the gripper's output is its position, not the logit of closing.
    """
    dim = len(limits)
    targets = actions[..., :dim] / limits
    if num_modes:
        arm = negative_log_likelihood(outputs, targets, num_modes)
    else:
        arm = (outputs[..., :dim] - targets).square().mean(-1)
    if actions.shape[-1] == dim:
        return arm[known].sum() / count
    if continuous_gripper:
        gripper = (outputs[..., -1] - actions[..., -1]).square()
    else:
        closes = (actions[..., -1] > 0).float()
        gripper = functional.binary_cross_entropy_with_logits(outputs[..., -1], closes, reduction="none")
    return (arm + gripper_weight * gripper)[known].sum() / count


def action_errors(normalized: Tensor, actions: Tensor, contract: Contract) -> dict[str, Any]:
    """Return `mae` per axis [m/s or rad/s] and `gripper_agreement`, the share of frames with the same gripper command.

    There is no `gripper_agreement` without a gripper.

    Args:
        normalized: predicted actions (B, A), see `Network.select_mode`.
        actions: the expert's actions (B, A).
        contract: axis names and limits.
    """
    predicted = to_action(normalized, contract)
    mae = (predicted - actions).abs().mean(0).tolist()
    errors: dict[str, Any] = {"mae": dict(zip([axis.axis for axis in contract.action.axes], mae, strict=False))}
    if contract.action.gripper:
        agreement = ((normalized[:, -1] > 0) == (actions[:, -1] > 0)).float().mean().item()
        errors["gripper_agreement"] = agreement
    return errors


def speed_limits(contract: Contract, device: torch.device | str) -> Tensor:
    """Return the largest magnitude of each velocity (V,) [m/s, rad/s]."""
    return torch.tensor(contract.action.speed_limits, device=device)

"""The auxiliary task of training: predict where the objects are, from the inputs of the policy's head.

It needs the objects' true poses, which only simulated episodes have, and makes the features precise: privileged
supervision as by Chen et al., "Learning by Cheating", 2019. The bundle has nothing of it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from lossless_ros.contract import TCP_POSE, Contract
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.errors import LosslessError

_UNIT = 0.1  # [m] of predictions and targets, about the distance from the tool to an object


class ObjectPositionHead(nn.Module):
    """A linear map from the inputs of the policy's head (B, D) to `relative_positions` (B, 3, 3)."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 3 * len(OBJECTS))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(inputs).unflatten(1, (len(OBJECTS), 3))


def check_contract(contract: Contract) -> None:
    """Check that positions relative to the tool can be computed.

    Raises:
        LosslessError: the contract does not have the tool pose.
    """
    if contract.offset(TCP_POSE) is None:
        raise LosslessError(
            f"object_position_weight needs {TCP_POSE} in the proprioception of contract '{contract.name}', "
            "which does not have it; set object_position_weight: 0"
        )


def relative_positions(contract: Contract, dataset: Dataset, frames: np.ndarray) -> np.ndarray:
    """Return where the objects are relative to the tool center, in the base frame's axes.

    Args:
        contract: of the dataset; it has the tool pose.
        dataset: the frames.
        frames: indices in the dataset (B,).

    Returns:
        (B, 3, 3) float32 in units of 0.1 m, one row per object in the order of OBJECTS; nan where unknown.
    """
    at = contract.offset(TCP_POSE)
    assert at is not None
    return (dataset.object_positions[frames] - dataset.proprioception[frames, None, at : at + 3]) / np.float32(_UNIT)


def position_loss(predicted: Tensor, targets: Tensor, count: float) -> Tensor:
    """Return the mean squared error of positions (B, 3, 3), in units of 0.1 m.

    Frames whose targets are nan add nothing to the sum, which is divided by `count` frames.
    """
    known = targets.isfinite().all(2).all(1)
    return (predicted - targets)[known].square().mean((1, 2)).sum() / max(1.0, count)


def position_errors_mm(predicted: Tensor, targets: Tensor) -> dict[str, float] | None:
    """Return each object's median distance from its prediction [mm]; None if no frame has targets."""
    known = targets.isfinite().all(2).all(1)
    if not known.any():
        return None
    distances = (predicted - targets)[known].norm(dim=2) * _UNIT * 1000
    return dict(zip(OBJECTS, torch.median(distances, 0).values.tolist(), strict=True))

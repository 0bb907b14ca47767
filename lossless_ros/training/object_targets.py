"""The auxiliary task of training: predict where the objects are and how they lie.

It needs the objects' true poses, which only simulated episodes have, and makes the features precise: privileged
supervision as by Chen et al., "Learning by Cheating", 2019. The bundle has nothing of it.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossless_ros.contract import TCP_POSE, Contract
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.errors import LosslessError
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.hyperparameters import Hyperparameters
from lossless_ros.training.object_widths import ObjectWidths, known_frames

_UNIT = 0.1  # [m] of predicted and true positions, about the distance from the tool to an object
_POSITION, _WIDTHS = slice(0, 3), slice(3, None)  # parts of a target
_GRIPPER_WEIGHT = 0.3  # of the widths in the gripper's frame, relative to those in the world's


class ObjectHead(nn.Module):
    """Linear maps from layers of the policy to the targets (B, 3, 3 + W) of `ObjectTargets`.

    Positions, and the half of the widths that is in the world's frame, come from the inputs of the policy's head. The
    widths in the gripper's frame come from its last hidden layer: they depend on the product of both directions, which
    no linear map of the inputs can tell.
    """

    def __init__(self, input_dim: int, hidden_dim: int, num_widths: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_dim, (3 + num_widths // 2) * len(OBJECTS))
        self.in_gripper = nn.Linear(hidden_dim, num_widths // 2 * len(OBJECTS)) if num_widths else None

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Return the predictions from the head's inputs (B, `input_dim`) and last hidden layer (B, `hidden_dim`)."""
        found = self.linear(inputs).unflatten(1, (len(OBJECTS), -1))
        if self.in_gripper is None:
            return found
        return torch.cat([found, self.in_gripper(hidden).unflatten(1, (len(OBJECTS), -1))], 2)


class ObjectTargets:
    """What the auxiliary head of a run should predict, its loss and its errors.

    A target (3, 3 + W) has a row per object in the order of OBJECTS. It begins with the position relative to the tool
    center in the base frame's axes, in units of 0.1 m. With `object_width_weight`, W = `num_widths` standardized widths
    follow, see `ObjectWidths`. What is not known is nan.

    Args:
        contract: of the data; it has the tool pose.
        data: training and held-out frames.
        hyperparameters: of the run.

    Raises:
        LosslessError: the simulator, which knows the objects' shapes, is not installed.
    """

    def __init__(self, contract: Contract, data: TrainingData, hyperparameters: Hyperparameters) -> None:
        offset = contract.offset(TCP_POSE)
        assert offset is not None
        self._tool = slice(offset, offset + 3)
        self._widths = ObjectWidths(data, offset) if hyperparameters.object_width_weight else None
        world = slice(3, 3 + self.num_widths // 2)
        weight = hyperparameters.object_width_weight
        self._weights = (
            (_POSITION, hyperparameters.object_position_weight),
            (world, weight),
            (slice(world.stop, None), _GRIPPER_WEIGHT * weight),
        )

    @property
    def num_widths(self) -> int:
        """Number of widths per object."""
        return self._widths.num_widths if self._widths else 0

    def of(self, dataset: Dataset, frames: np.ndarray) -> np.ndarray:
        """Return the targets (B, 3, 3 + W) float32 of frames (B,) of a dataset of the run."""
        tool = dataset.proprioception[frames, None, self._tool]
        positions = (dataset.object_poses[frames, :, :3] - tool) / np.float32(_UNIT)
        if self._widths is None:
            return positions
        return np.concatenate([positions, self._widths.of(dataset, frames)], 2)

    def loss(self, predicted: Tensor, targets: Tensor, share: np.ndarray, group_size: int) -> Tensor:
        """Return the weighted sum of the mean squared errors of positions and of widths.

        Args:
            predicted: for this process's share of a batch (L, 3, 3 + W).
            targets: of the whole batch (B, 3, 3 + W). Frames whose targets are nan add nothing.
            share: positions in the batch of this process's share (L,).
            group_size: number of processes; the mean over all of them is the loss of the batch.
        """
        total = predicted.new_zeros(())
        of_share = targets[torch.from_numpy(share)]
        for part, weight in self._weights:
            if weight:
                count = known_frames(targets[..., part]).sum().item() / group_size
                total = total + weight * mean_squared_error(predicted[..., part], of_share[..., part], count)
        return total

    def errors(self, predicted: Tensor, targets: Tensor) -> dict[str, Any]:
        """Return `object_error_mm` and `object_width_error_mm` of predictions (B, 3, 3 + W), None where unknown."""
        widths = predicted[..., _WIDTHS], targets[..., _WIDTHS]
        return {
            "object_error_mm": position_errors_mm(predicted[..., _POSITION], targets[..., _POSITION]),
            "object_width_error_mm": self._widths.errors_mm(*widths) if self._widths else None,
        }


NO_ERRORS = {"object_error_mm": None, "object_width_error_mm": None}  # of a run without the auxiliary task


def object_targets(contract: Contract, data: TrainingData, hyperparameters: Hyperparameters) -> ObjectTargets | None:
    """Return the targets of a run's auxiliary task; None if its settings want none, or no training frame has poses.

    Raises:
        LosslessError: the simulator, which knows the objects' shapes, is not installed.
    """
    if not wants_object_targets(hyperparameters) or not np.isfinite(data.training.object_poses).any():
        return None
    return ObjectTargets(contract, data, hyperparameters)


def wants_object_targets(hyperparameters: Hyperparameters) -> bool:
    """Return whether the settings ask for the auxiliary task."""
    return bool(hyperparameters.object_position_weight or hyperparameters.object_width_weight)


def check_contract(contract: Contract, hyperparameters: Hyperparameters) -> None:
    """Check that the targets can be computed: from the tool's position, and those of widths from its orientation.

    Raises:
        LosslessError: the contract does not have the tool pose, or not its orientation.
    """
    if contract.offset(TCP_POSE) is None:
        raise LosslessError(
            f"object_position_weight and object_width_weight need {TCP_POSE} in the proprioception of contract "
            f"'{contract.name}', which does not have it; set both to 0"
        )
    poses = [part for part in contract.proprioception if part.stream == TCP_POSE]
    if hyperparameters.object_width_weight and not poses[0].orientation:
        raise LosslessError(
            f"object_width_weight needs the orientation of {TCP_POSE} in the proprioception of contract "
            f"'{contract.name}', which has its position only; set it to 0"
        )


def mean_squared_error(predicted: Tensor, targets: Tensor, count: float) -> Tensor:
    """Return the mean squared error of predictions (B, 3, D), averaged over `count` frames.

    Frames whose targets are nan add nothing to the sum.
    """
    known = known_frames(targets)
    return (predicted - targets)[known].square().mean((1, 2)).sum() / max(1.0, count)


def position_errors_mm(predicted: Tensor, targets: Tensor) -> dict[str, float] | None:
    """Return each object's median distance from its predicted position (B, 3, 3) [mm]; None if no frame has targets."""
    known = known_frames(targets)
    if not known.any():
        return None
    distances = (predicted - targets)[known].norm(dim=2) * _UNIT * 1000
    return dict(zip(OBJECTS, torch.median(distances, 0).values.tolist(), strict=True))

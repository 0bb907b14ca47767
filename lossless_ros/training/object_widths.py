"""The auxiliary task's other targets: how wide the objects are along horizontal directions, which shows how they lie.

A policy that turns the gripper has to see it. Without these targets the features do not hold it, although it can be
learned from a few hundred episodes. Unlike an orientation, widths are the same for all orientations of a symmetric
object that look alike.
"""

import numpy as np
from torch import Tensor

from lossless_ros.contract import TCP_POSE, Contract
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.simulation.env import object_half_widths
from lossless_ros.training.batches import TrainingData

_MIN_STD = 0.001  # [m] keeps widths that hardly vary from being amplified


class ObjectWidths:
    """The objects' half widths in the frames of a run, standardized per object over the training frames.

    The first half of them is along directions of the world, the second half along directions of the gripper. The first
    of those is the one in which it closes.

    Args:
        contract: of the data; it has the tool pose.
        data: of simulated episodes; those without object poses, or whose task does not name its objects, have none.

    Raises:
        LosslessError: the simulator, which knows the objects' shapes, is not installed.
    """

    def __init__(self, contract: Contract, data: TrainingData) -> None:
        training, held_out = (_half_widths(contract, dataset) for dataset in (data.training, data.held_out))
        self.num_widths = training.shape[2]
        known = training[np.isfinite(training).all((1, 2))]
        if not len(known):
            known = np.zeros((1, *training.shape[1:]))
        mean = known.mean((0, 2), keepdims=True)[0]
        self._std = np.maximum(known.std((0, 2), keepdims=True)[0], _MIN_STD)
        self._datasets = data.training, data.held_out
        self._targets = [((widths - mean) / self._std).astype(np.float32) for widths in (training, held_out)]

    def of(self, dataset: Dataset, frames: np.ndarray) -> np.ndarray:
        """Return the standardized widths (B, 3, W) float32 in frames (B,) of a dataset; nan where unknown."""
        return self._targets[self._datasets.index(dataset)][frames]

    def errors_mm(self, predicted: Tensor, targets: Tensor) -> dict[str, float] | None:
        """Return each object's root mean squared error [mm] of predictions (B, 3, W); None if no frame has targets."""
        known = targets.isfinite().all(2).all(1)
        if not known.any():
            return None
        errors = (predicted - targets)[known].square().mean((0, 2)).sqrt().cpu().numpy() * self._std[:, 0] * 1000
        return dict(zip(OBJECTS, errors.tolist(), strict=True))


def _half_widths(contract: Contract, dataset: Dataset) -> np.ndarray:
    """Return the half widths (N, 3, W) [m] in all frames; nan where unknown."""
    offset = contract.offset(TCP_POSE)
    assert offset is not None
    closing = dataset.proprioception[:, offset + 6 : offset + 8]  # x and y of the tool's second axis
    angle = np.arctan2(closing[:, 1], closing[:, 0]).astype(np.float64)
    parts = []
    for episode, start, end in zip(dataset.episodes, dataset.starts, dataset.starts[1:], strict=False):
        task, poses = str(episode.info.get("task", "")), dataset.object_poses[start:end]
        frames = (object_half_widths(task, poses, first) for first in (np.zeros(end - start), angle[start:end]))
        parts.append(np.concatenate([*frames], 2))
    return np.concatenate(parts)

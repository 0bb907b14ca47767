"""The auxiliary task's other targets: how wide the objects are along horizontal directions, which shows how they lie.

A policy that turns the gripper has to see it. Without these targets the features do not hold it, although it can be
learned from a few hundred episodes. Unlike an orientation, widths are the same for all orientations of a symmetric
object that look alike.
"""

import numpy as np
from torch import Tensor

from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.simulation.env import object_half_widths
from lossless_ros.training.batches import TrainingData

_NUM_DIRECTIONS = 12  # over half a turn; the other half has the same widths
_MIN_STD = 0.001  # [m] keeps widths that hardly vary from being amplified


class ObjectWidths:
    """The objects' half widths in the frames of a run, standardized per object over the training frames.

    The first half of them is along directions of the world, the second half along directions of the gripper. The first
    of those is the one in which it closes.

    Args:
        data: of simulated episodes; those without object poses, or whose task does not name its objects, have none.
        tool: index of the tool pose in the proprioception.

    Raises:
        LosslessError: the simulator, which knows the objects' shapes, is not installed.
    """

    def __init__(self, data: TrainingData, tool: int) -> None:
        training, held_out = (_half_widths(dataset, tool) for dataset in (data.training, data.held_out))
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
        known = known_frames(targets)
        if not known.any():
            return None
        errors = (predicted - targets)[known].square().mean((0, 2)).sqrt().cpu().numpy() * self._std[:, 0] * 1000
        return dict(zip(OBJECTS, errors.tolist(), strict=True))


def known_frames(targets: Tensor) -> Tensor:
    """Return in which frames (B,) all targets (B, 3, D) are known."""
    return targets.isfinite().all(2).all(1)


def _half_widths(dataset: Dataset, tool: int) -> np.ndarray:
    """Return the half widths (N, 3, W) [m] in all frames; nan where unknown."""
    closing = dataset.proprioception[:, tool + 6 : tool + 8]  # x and y of the tool's second axis
    first = np.stack([np.zeros(len(dataset)), np.arctan2(closing[:, 1], closing[:, 0])], 1)  # of world and gripper
    yaws = (first[:, :, None] + np.arange(_NUM_DIRECTIONS) * np.pi / _NUM_DIRECTIONS).reshape(len(dataset), -1)
    tasks = [str(episode.info.get("task", "")) for episode in dataset.episodes]
    poses, yaws_of = (np.split(values, dataset.starts[1:-1]) for values in (dataset.object_poses, yaws))
    return np.concatenate([object_half_widths(*of_one) for of_one in zip(tasks, poses, yaws_of, strict=True)])

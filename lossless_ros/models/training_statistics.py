"""Statistics of a bundle's training data, so that what lies outside of it can be recognized later. No torch here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Contract

PREFIX = "statistics."  # of their tensors in a bundle
DISTANCE_QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class TrainingStatistics:
    """Statistics of the training frames, all float32, for A action components, P proprioception values, F features.

    The features of a frame are the outputs of the network's top for all its cameras, one after the other.
    """

    action_mean: np.ndarray  # (A,) mean of the labels [m/s, rad/s, gripper -1 or +1]
    action_std: np.ndarray  # (A,) their standard deviation
    proprioception_mean: np.ndarray  # (P,) mean of the proprioception
    proprioception_std: np.ndarray  # (P,) its standard deviation
    proprioception_min: np.ndarray  # (P,) its smallest values
    proprioception_max: np.ndarray  # (P,) its largest values
    feature_mean: np.ndarray  # (F,) mean of the features of at most 512 frames, evenly spread
    feature_std: np.ndarray  # (F,) their standard deviation, at least a hundredth of the features' average one
    held_out_distance: np.ndarray  # (5,) distance of held-out frames to these: 50, 90, 95, 99 and 100 % are below

    def feature_distance(self, features: np.ndarray) -> np.ndarray:
        """Return how far features (N, F) are from the training frames' (N,).

        This is the root mean square over all features of the difference to the mean, in standard deviations: about 1
        for a training frame.
        """
        return feature_distance(features, self.feature_mean, self.feature_std)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the statistics by the name of their tensor in a bundle."""
        return {f"{PREFIX}{field.name}": getattr(self, field.name) for field in dataclasses.fields(self)}


def statistics_from_arrays(arrays: Mapping[str, np.ndarray], contract: Contract) -> TrainingStatistics | None:
    """Return the statistics among a bundle's arrays; None if it has none.

    Raises:
        ValueError: some of them are missing, or do not fit the contract.
    """
    names = [field.name for field in dataclasses.fields(TrainingStatistics)]
    found = {name: arrays[f"{PREFIX}{name}"] for name in names if f"{PREFIX}{name}" in arrays}
    if not found:
        return None
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"tensor {PREFIX}{missing[0]} is missing")
    sizes = {
        "action": contract.action.dim,
        "proprioception": contract.proprioception_dim,
        "feature": found["feature_mean"].size,
        "held": len(DISTANCE_QUANTILES),
    }
    for name, array in found.items():
        shape = (sizes[name.partition("_")[0]],)
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(
                f"tensor {PREFIX}{name} is {array.dtype} {array.shape}, expected float32 {shape} as in the contract"
            )
    return TrainingStatistics(**found)


def feature_distance(features: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the root mean square (N,) of the standardized features (N, F)."""
    return np.sqrt(np.square((features - mean) / std).mean(-1))

"""Computes the statistics of the training data that a bundle keeps, and the seeds it was trained on."""

from typing import Any

import numpy as np
import torch

from lossless_ros.episodes.dataset import Dataset
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import Bundle
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import to_batch
from lossless_ros.models.training_statistics import DISTANCE_QUANTILES, TrainingStatistics, feature_distance
from lossless_ros.training.batches import TrainingData

FRAMES, HELD_OUT_FRAMES = 512, 256  # at most, spread evenly; their features are computed
_BATCH = 16  # frames
_MIN_STD = 0.01  # of a feature, relative to the root mean square of all: one that never varies must not dominate


def training_statistics(network: Network, backbone: Backbone, data: TrainingData) -> TrainingStatistics:
    """Return the statistics of the training frames, for the features of a trained network in eval mode."""
    actions, proprioception = data.training.actions, data.training.proprioception
    features = top_features(network, backbone, data.training, data.training.spread(FRAMES))
    held_out = top_features(network, backbone, data.held_out, data.held_out.spread(HELD_OUT_FRAMES))
    mean, std = features.mean(0), features.std(0)
    std = np.maximum(std, max(_MIN_STD * float(np.sqrt(np.square(std).mean())), 1e-6))
    distance = np.quantile(feature_distance(held_out, mean, std), DISTANCE_QUANTILES)
    arrays = {
        "action_mean": actions.mean(0),
        "action_std": actions.std(0),
        "proprioception_mean": proprioception.mean(0),
        "proprioception_std": proprioception.std(0),
        "proprioception_min": proprioception.min(0),
        "proprioception_max": proprioception.max(0),
        "feature_mean": mean,
        "feature_std": std,
        "held_out_distance": distance,
    }
    return TrainingStatistics(**{name: array.astype(np.float32) for name, array in arrays.items()})


def top_features(network: Network, backbone: Backbone, data: Dataset, frames: np.ndarray) -> np.ndarray:
    """Return the outputs of the network's top (N, cameras * F) for frames (N,), cameras one after the other."""
    outputs = []
    size, device = network.config.image_size, backbone.device
    with torch.inference_mode():
        for chunk in np.array_split(frames, -(-len(frames) // _BATCH)):
            images = to_batch(data.batch(chunk).images, size, backbone.preprocessing, device)
            top = network.top(*network.features(backbone, images)).float()
            outputs.append(torch.cat(top.chunk(network.cameras), 1).cpu().numpy())
    return np.concatenate(outputs).astype(np.float64)


def seeds_by_domain(data: Dataset) -> dict[str, list[list[int]]]:
    """Return per domain the seeds of the simulated episodes, as ranges [first, last]."""
    seeds: dict[str, set[int]] = {}
    for episode in data.episodes:
        if "seed" in episode.info and "domain" in episode.info:
            seeds.setdefault(str(episode.info["domain"]), set()).add(int(episode.info["seed"]))
    return {domain: _ranges(sorted(seeds[domain])) for domain in sorted(seeds)}


def _ranges(numbers: list[int]) -> list[list[int]]:
    """Return sorted numbers as ranges [first, last] without gaps."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def describe_seeds(data: TrainingData, before: Bundle | None = None) -> dict[str, Any]:
    """Return the seeds of training and held-out episodes for a bundle's provenance.

    Args:
        data: of this training.
        before: the bundle that training started from; its seeds were trained on, too. If it does not say which, the
            returned seeds are those of the held-out episodes only.
    """
    held_out = {"held_out_seeds": seeds_by_domain(data.held_out)}
    trained = seeds_by_domain(data.training)
    if before is None:
        return {"seeds": trained, **held_out}
    earlier = before.provenance.get("data", {})
    if not isinstance(earlier, dict) or "seeds" not in earlier:
        return held_out
    return {"seeds": _union(trained, earlier["seeds"]), **held_out}


def _union(first: dict[str, list[list[int]]], second: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
    """Return the seeds per domain that are in either."""
    union: dict[str, set[int]] = {}
    for ranges in (first, second):
        for domain, pairs in ranges.items():
            union.setdefault(domain, set()).update(seed for low, high in pairs for seed in range(low, high + 1))
    return {domain: _ranges(sorted(union[domain])) for domain in sorted(union)}

"""Benchmark of training steps: adapters next to full fine-tuning, cached features next to images.

The steps of all modes run in turn in one process, in random order, so that other load affects all of them alike.
"""

import dataclasses
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossless_ros import defaults
from lossless_ros.bench.adapters import load_with_any_weights
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.device import find_device
from lossless_ros.models.network import Network
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.determinism import deterministic
from lossless_ros.training.distributed import ProcessGroup
from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters, network_config
from lossless_ros.training.threads import limited_threads
from lossless_ros.training.trainer import Trainer

_FRAMES = 64  # of the synthetic episode; the content of the images does not change the time
_CACHED_STEPS = 10  # in a row, as in an epoch: after another mode's step the CPU caches hold none of their data


@dataclass(frozen=True)
class _Mode:
    """A training mode, and whether it trains on cached features."""

    mode: str
    cached: bool

    @property
    def steps(self) -> int:
        """Steps in a row."""
        return _CACHED_STEPS if self.cached else 1


_MODES = {
    "frozen_images": _Mode("frozen", cached=False),
    "frozen_cached": _Mode("frozen", cached=True),
    "top_images": _Mode("top", cached=False),
    "top_cached": _Mode("top", cached=True),
    "adapters": _Mode("adapters", cached=False),
    "full": _Mode("full", cached=False),
}


def bench_training(
    backbone: str = defaults.BACKBONE,
    rounds: int = 10,
    batch: int = 32,
    threads: int = 1,
    device: str = "auto",
    on_progress: Callable[[str], object] = lambda figure: None,
) -> dict[str, Any]:
    """Measure the training step of each mode at the contract's image size.

    Args:
        backbone: name; without its weights installed it runs with random ones, at the same speed.
        rounds: repetitions; the fastest one counts.
        batch: frames per step.
        threads: CPU threads.
        device: auto, cpu or cuda.
        on_progress: called after every round.

    Returns:
        JSON-serializable: adapters_over_full (step time), memory_adapters_over_full (gradients and AdamW's two
        moments of all trained parameters), cached_speedup_frozen and cached_speedup_top (time of an epoch on images
        over one on cached features), step_ms and trained (parameters) per mode, and how it was measured.

    Raises:
        LosslessError: unknown backbone or device, or a number that is not positive.
    """
    for name, value in (("rounds", rounds), ("batch", batch), ("threads", threads)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    contract = load_contract(defaults.CONTRACT)
    group = ProcessGroup(find_device(device))
    size = contract.cameras[0].width
    config = dataclasses.replace(
        load_hyperparameters("default"),
        steps=10**6,
        batch_size=batch,
        image_size=size,
        num_cached_views=1,
        device=device,
    )
    with limited_threads(threads), deterministic(group.device), tempfile.TemporaryDirectory() as folder:
        data = Dataset([_synthetic_episode(contract, folder)])
        trainers = {name: _make_trainer(mode, config, contract, backbone, data, group) for name, mode in _MODES.items()}
        step_ms = _fastest_step_ms(trainers, rounds, on_progress)
    trained = {name: count_parameters(trainer.network) for name, trainer in trainers.items()}
    return {
        "adapters_over_full": step_ms["adapters"] / step_ms["full"],
        "memory_adapters_over_full": trained["adapters"] / trained["full"],
        "cached_speedup_frozen": step_ms["frozen_images"] / step_ms["frozen_cached"],
        "cached_speedup_top": step_ms["top_images"] / step_ms["top_cached"],
        "step_ms": step_ms,
        "trained": trained,
        "backbone": backbone,
        "image_size": size,
        "batch": batch,
        "rounds": rounds,
        "threads": threads,
        "device": str(group.device),
        "torch": torch.__version__,
    }


def _fastest_step_ms(
    trainers: dict[str, Trainer], rounds: int, on_progress: Callable[[str], object]
) -> dict[str, float]:
    """Return the fastest step of each mode [ms]."""
    times: dict[str, list[float]] = {name: [] for name in trainers}
    names = list(trainers)
    for number in range(-1, rounds):  # the first round is a warm-up, and computes features
        random.Random(number).shuffle(names)
        for name in names:
            steps = _MODES[name].steps
            start = time.perf_counter()
            for _ in range(steps):
                trainers[name].train_step()  # returns the loss as a number, so a GPU is synchronized
            if number >= 0:
                times[name].append(1e3 * (time.perf_counter() - start) / steps)
        on_progress(f"round {number + 1} of {rounds}")
    return {name: min(values) for name, values in times.items()}


def _make_trainer(
    mode: _Mode, config: Hyperparameters, contract: Contract, backbone: str, data: Dataset, group: ProcessGroup
) -> Trainer:
    """Return a trainer before its first step."""
    config = dataclasses.replace(config, cache_features=mode.cached)
    frozen = load_with_any_weights(backbone).to(group.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(network_config(config, mode.mode, frozen), frozen, contract).to(group.device)
    return Trainer(config, contract, frozen, network, TrainingData(data, data), group, time.monotonic())


def _synthetic_episode(contract: Contract, key: str) -> DecodedEpisode:
    """Return an episode of noise. With a `key` of this measurement alone, its features are not found in the cache."""
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (_FRAMES, c.height, c.width, 3), np.uint8) for c in contract.cameras)
    proprioception = rng.normal(size=(_FRAMES, contract.proprioception_dim)).astype(np.float32)
    actions = rng.uniform(-0.05, 0.05, (_FRAMES, contract.action.dim)).astype(np.float32)
    return DecodedEpisode(Path(key), {}, images, proprioception, actions, key)

"""What a training step costs in each mode: adapters beside full fine-tuning, features computed once beside images.

All modes take their steps in turn in one process, in random order, so that a busy machine touches all alike.
"""

import dataclasses
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossless_ros.bench.adapters import load_with_any_weights
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.device import find_device
from lossless_ros.models.network import Network
from lossless_ros.training.determinism import deterministic
from lossless_ros.training.distributed import Group
from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters, network_config
from lossless_ros.training.threads import threads as using
from lossless_ros.training.trainer import Run

_FRAMES = 64  # of the made-up data; pictures take as long whatever they show
_IN_A_ROW = 10  # cached steps, as in an epoch: after another mode's step the processor's caches hold nothing of theirs
_RUNS = {  # name -> mode, and whether its features are computed once
    "frozen_images": ("frozen", False),
    "frozen_cached": ("frozen", True),
    "top_images": ("top", False),
    "top_cached": ("top", True),
    "adapters": ("adapters", False),
    "full": ("full", False),
}


def bench_training(
    backbone: str = "tf_efficientnet_lite0",
    rounds: int = 10,
    batch: int = 32,
    threads: int = 1,
    device: str = "auto",
    on_progress: Callable[[str], object] = lambda figure: None,
) -> dict[str, Any]:
    """The fastest of `rounds` steps of each mode, with `batch` frames at the contract's own image size.

    A backbone whose weights are not on this machine has random ones, which are as fast.

    Returns:
        JSON-able: adapters_over_full (step time), memory_adapters_over_full (gradients and AdamW's two moments of
        all trained parameters), cached_speedup_frozen and cached_speedup_top (time of an epoch with images over
        one with features computed once), step_ms and trained parameters by mode, and how it was measured.

    Raises:
        LosslessError: unknown backbone or device, or a number that is not positive.
    """
    for name, value in (("rounds", rounds), ("batch", batch), ("threads", threads)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    contract = load_contract("rgb_stacking")
    where = find_device(device)
    size = contract.cameras[0].width
    settings = dataclasses.replace(
        load_hyperparameters("default"),
        steps=10**6,
        batch_size=batch,
        image_size=size,
        num_cached_views=1,
        device=device,
    )
    with using(threads), deterministic(where), tempfile.TemporaryDirectory() as folder:
        runs = {name: _run(*how, settings, contract, backbone, where, folder) for name, how in _RUNS.items()}
        times: dict[str, list[float]] = {name: [] for name in runs}
        names = list(runs)
        for number in range(-1, rounds):  # the first round warms up, and computes features
            random.Random(number).shuffle(names)
            for name in names:
                steps = _IN_A_ROW if _RUNS[name][1] else 1
                begin = time.perf_counter()
                for _ in range(steps):
                    runs[name].advance()  # ends with the loss on the processor, so a GPU is done
                if number >= 0:
                    times[name].append(1e3 * (time.perf_counter() - begin) / steps)
            on_progress(f"round {number + 1} of {rounds}")
    step_ms = {name: min(values) for name, values in times.items()}
    trained = {name: count_parameters(run.network) for name, run in runs.items()}
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
        "device": str(where),
        "torch": torch.__version__,
    }


def _run(
    mode: str,
    cached: bool,
    settings: Hyperparameters,
    contract: Contract,
    backbone: str,
    device: torch.device,
    folder: str,
) -> Run:
    """A run that is ready for its first step."""
    config = dataclasses.replace(settings, cache_features=cached)
    frozen = load_with_any_weights(backbone).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(network_config(config, mode, frozen), frozen, contract).to(device)
    data = Dataset([_made_up(contract, folder)])
    return Run(config, contract, frozen, network, data, data, device, time.monotonic(), Group())


def _made_up(contract: Contract, folder: str) -> DecodedEpisode:
    """An episode of noise. Its key is of this measurement alone, so that its features are computed here."""
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (_FRAMES, c.height, c.width, 3), np.uint8) for c in contract.cameras)
    felt = rng.normal(size=(_FRAMES, contract.proprioception_dim)).astype(np.float32)
    actions = rng.uniform(-0.05, 0.05, (_FRAMES, contract.action.dim)).astype(np.float32)
    return DecodedEpisode(Path(folder), {}, images, felt, actions, folder)

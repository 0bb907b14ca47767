"""Benchmark of the adapters next to the bare backbone: latency, many tasks in one pass, task switching, memory.

Everything that is compared runs in turn in one process, in random order, so that other load affects all of it alike.
"""

import contextlib
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lossless_ros import defaults
from lossless_ros.errors import LosslessError
from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters, count_parameters, default_bottleneck_dim
from lossless_ros.models.backbones import REGISTRY, Backbone, check_segments, find_entry, load_backbone
from lossless_ros.models.families import find_family
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.weights import create_model
from lossless_ros.training.hyperparameters import load_hyperparameters
from lossless_ros.training.threads import limited_threads

BATCHES = (2, 16)  # images: two cameras of one robot, and of eight robots
TASKS = 100
POLICY_SIZES = {defaults.BACKBONE: 128}  # [px], as in the demo; other backbones run at their pretraining size
_WARMUP_ROUNDS = 2
Work = Callable[[], Any]


def bench_adapters(
    backbones: Sequence[str],
    rounds: int = 30,
    threads: int = 1,
    on_progress: Callable[[str], None] = lambda figure: None,
) -> dict[str, Any]:
    """Compare adapted and bare backbones, on the CPU and, if there is one, on the GPU (as CUDA graphs).

    Args:
        backbones: names; a backbone whose weights are not installed runs with random ones, at the same speed.
        rounds: repetitions; the fastest one counts.
        threads: CPU threads.
        on_progress: called with what was measured.

    Returns:
        rows, one per backbone, device and batch: bare_ms, adapted_over_bare (bottom and middle adapters of one task),
        mixed8_over_single and serial8_over_single (eight images of eight tasks in one pass, and in eight passes, over
        eight images of one task), switch_ms (to route to another of 100 tasks), memory_100_tasks_over_bare (backbone
        and adapters over the backbone, with the set's half precision; `..._float32` as trained).

    Raises:
        LosslessError: unknown backbone, or rounds or threads not positive.
    """
    for name, value in (("rounds", rounds), ("threads", threads)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows = []
    with limited_threads(threads):
        for name in backbones:
            backbone = load_with_any_weights(name)
            for device in devices:
                rows += _measure(backbone.to(device), rounds)
                on_progress(f"{name} on {device}")
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "threads": threads}
    return {
        "rows": rows,
        "rounds": rounds,
        "kernel": load_hyperparameters("default").kernel_size,
        "torch": torch.__version__,
        "machine": machine,
    }


def load_with_any_weights(name: str) -> Backbone:
    """Return the backbone with its pretrained weights or, if they are not installed, with random ones.

    Raises:
        LosslessError: unknown backbone, or a variant that is not supported.
    """
    find_entry(name)
    with contextlib.suppress(LosslessError):
        return load_backbone(name)
    model = create_model(name)
    backbone = Backbone(name, find_family(name, model), model, RANDOM)
    if name not in REGISTRY:
        check_segments(backbone)
    return backbone


def _measure(backbone: Backbone, rounds: int) -> list[dict[str, Any]]:
    """Return the rows of a backbone on its device."""
    size = POLICY_SIZES.get(backbone.name, backbone.preprocessing.size)
    adapters = _synthetic_adapters(backbone)
    tasks = AdapterSet(backbone, {f"task{i}": adapters for i in range(TASKS)})
    shared = {
        "image_size": size,
        "adapter_share": count_parameters(adapters) / backbone.num_parameters,
        **_compare_tasks(backbone, tasks, size, rounds),
        **_compare_memory(backbone, adapters, tasks),
    }
    rows = []
    for batch in BATCHES:
        images = _random_images(backbone, batch, size)
        ms = _fastest_ms(
            backbone,
            {
                "bare": lambda images=images: backbone.features(images),  # type: ignore[misc]
                "adapted": lambda images=images: backbone.features(images, adapters),  # type: ignore[misc]
            },
            rounds,
        )
        rows.append(
            {
                "backbone": backbone.name,
                "source": backbone.source,
                "device": str(backbone.device),
                "batch": batch,
                "bare_ms": ms["bare"],
                "adapted_ms": ms["adapted"],
                "adapted_over_bare": ms["adapted"] / ms["bare"],
                "switch_ms": _switch_ms(tasks, batch),
                **shared,
            }
        )
    return rows


def _compare_tasks(backbone: Backbone, tasks: AdapterSet, size: int, rounds: int) -> dict[str, float]:
    """Return the time of eight images of eight tasks over eight images of one task."""
    names = list(tasks.tasks)[:8]
    images = _random_images(backbone, 8, size)
    mixed, single = tasks.route(names), tasks.route(names[:1] * 8)
    serial = [(images[i : i + 1], tasks.route(names[i : i + 1])) for i in range(8)]
    ms = _fastest_ms(
        backbone,
        {
            "mixed": lambda: backbone.features(images, mixed),
            "single": lambda: backbone.features(images, single),
            "serial": lambda: [backbone.features(image, adapters) for image, adapters in serial],
        },
        rounds,
    )
    return {
        "mixed8_over_single": ms["mixed"] / ms["single"],
        "serial8_over_single": ms["serial"] / ms["single"],
    }


def _compare_memory(backbone: Backbone, adapters: Adapters, tasks: AdapterSet) -> dict[str, float]:
    """Return the memory of backbone and all tasks' adapters over that of the backbone."""
    bare = sum(p.numel() * p.element_size() for p in backbone.model.state_dict().values())
    as_trained = TASKS * sum(p.numel() * p.element_size() for p in adapters.parameters())
    return {
        "memory_100_tasks_over_bare": (bare + tasks.nbytes) / bare,
        "memory_100_tasks_over_bare_float32": (bare + as_trained) / bare,
    }


def _synthetic_adapters(backbone: Backbone) -> Adapters:
    """Return adapters of the default size with random parameters, which are not the identity."""
    kernel_size = load_hyperparameters("default").kernel_size
    bottleneck_dim = default_bottleneck_dim(backbone.sites, kernel_size, backbone.num_parameters)
    adapters = Adapters(backbone.sites, ("bottom", "middle"), bottleneck_dim, kernel_size)
    adapters.to(backbone.device).requires_grad_(False)
    for parameter in adapters.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    return adapters


def _random_images(backbone: Backbone, batch: int, size: int) -> Tensor:
    """Return images (batch, 3, size, size) in the memory format of a policy, channels_last."""
    return torch.rand(batch, 3, size, size, device=backbone.device).to(memory_format=torch.channels_last)


def _fastest_ms(backbone: Backbone, work: dict[str, Work], rounds: int) -> dict[str, float]:
    """Return the fastest time of each piece of work [ms], measured in turn: its time without other load."""
    gpu = backbone.device.type == "cuda"
    with torch.inference_mode():
        work = {name: _capture(run) if gpu else run for name, run in work.items()}
        times: dict[str, list[float]] = {name: [] for name in work}
        order = list(work)
        for turn in range(rounds + _WARMUP_ROUNDS):
            random.shuffle(order)
            for name in order:
                start = time.perf_counter()
                work[name]()
                if gpu:
                    torch.cuda.synchronize()
                if turn >= _WARMUP_ROUNDS:
                    times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(values) for name, values in times.items()}


def _capture(work: Work) -> Work:
    """Return the work as a CUDA graph, without the launch overhead of Python."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def _switch_ms(tasks: AdapterSet, batch: int) -> float:
    """Return the median time to route a batch to another task [ms]."""
    times = []
    with torch.inference_mode():
        for name in tasks.tasks:
            start = time.perf_counter()
            tasks.route([name] * batch)
            if tasks.backbone.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)

"""What adapters cost beside the bare backbone: latency, many tasks in one pass, switching, memory.

Everything that is compared runs in turn in the same process, in random order, so that a busy machine touches all alike.
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

from lossless_ros.errors import LosslessError
from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters, count_parameters, default_bottleneck_dim
from lossless_ros.models.backbones import REGISTRY, Backbone, check_segments, find_entry, load_backbone
from lossless_ros.models.families import find_family
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.weights import create_model
from lossless_ros.training.hyperparameters import load_hyperparameters

BATCHES = (2, 16)  # two cameras of one robot; of eight
TASKS = 100
POLICY_SIZES = {"tf_efficientnet_lite0": 128}  # [px] as the demo's; the others as they were pretrained
Run = Callable[[], Any]


def bench_adapters(
    backbones: Sequence[str],
    rounds: int = 30,
    threads: int = 1,
    on_progress: Callable[[str], None] = lambda figure: None,
) -> dict[str, Any]:
    """Ratios of the fastest of `rounds`, on the CPU and, where there is one, on the GPU (as CUDA graphs).

    Args:
        backbones: names; one whose weights are not on this machine runs with random ones, which are as fast.
        rounds: times that each thing is measured.
        threads: of the processor.
        on_progress: called with the name of what was measured.

    Returns:
        rows, one for each backbone, device and batch: bare_ms, adapted_over_bare (bottom and middle adapters of one
        task), mixed8_over_single and serial8_over_single (eight images of eight tasks in one pass, and in eight,
        against eight images of one task), switch_ms (to wear another of 100 tasks), memory_100_tasks_over_bare (weights
        of backbone and adapters over the backbone's, in the set's half precision; `..._float32` as trained).

    Raises:
        LosslessError: unknown backbone, or rounds or threads not positive.
    """
    for name, value in (("rounds", rounds), ("threads", threads)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rows = []
    try:
        for name in backbones:
            backbone = load_with_any_weights(name)
            for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
                rows += _measure(backbone.to(device), rounds)
                on_progress(f"{name} on {device}")
    finally:
        torch.set_num_threads(before)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "threads": threads}
    return {
        "rows": rows,
        "rounds": rounds,
        "kernel": load_hyperparameters("default").kernel_size,
        "torch": torch.__version__,
        "machine": machine,
    }


def load_with_any_weights(name: str) -> Backbone:
    """The backbone with its own weights or, if they are not on this machine, with random ones.

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
    size = POLICY_SIZES.get(backbone.name, backbone.preprocessing.size)
    one = _awake(backbone)
    names = [f"task{i}" for i in range(TASKS)]
    tasks = AdapterSet(backbone, {name: one for name in names})
    bare_bytes = sum(p.numel() * p.element_size() for p in backbone.model.state_dict().values())
    exact_bytes = TASKS * sum(p.numel() * p.element_size() for p in one.parameters())

    eight = _images(backbone, 8, size)
    mixed, single = tasks.route(names[:8]), tasks.route(names[:1] * 8)
    apart = [(eight[i : i + 1], tasks.route(names[i : i + 1])) for i in range(8)]
    many = _times(
        backbone,
        {
            "mixed": lambda: backbone.features(eight, mixed),
            "single": lambda: backbone.features(eight, single),
            "serial": lambda: [backbone.features(image, worn) for image, worn in apart],
        },
        rounds,
    )
    shared = {
        "image_size": size,
        "adapter_share": count_parameters(one) / backbone.num_parameters,
        "mixed8_over_single": many["mixed"] / many["single"],
        "serial8_over_single": many["serial"] / many["single"],
        "memory_100_tasks_over_bare": (bare_bytes + tasks.nbytes) / bare_bytes,
        "memory_100_tasks_over_bare_float32": (bare_bytes + exact_bytes) / bare_bytes,
    }
    rows = []
    for batch in BATCHES:
        images = _images(backbone, batch, size)
        ms = _times(
            backbone,
            {
                "bare": lambda images=images: backbone.features(images),  # type: ignore[misc]
                "adapted": lambda images=images: backbone.features(images, one),  # type: ignore[misc]
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


def _awake(backbone: Backbone) -> Adapters:
    """Adapters of the default rank that do something."""
    kernel = load_hyperparameters("default").kernel_size
    rank = default_bottleneck_dim(backbone.sites, kernel, backbone.num_parameters)
    adapters = Adapters(backbone.sites, ("bottom", "middle"), rank, kernel).to(backbone.device).requires_grad_(False)
    for parameter in adapters.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    return adapters


def _images(backbone: Backbone, batch: int, size: int) -> Tensor:
    """(batch, 3, size, size) with the channels innermost, as a policy gives them."""
    return torch.rand(batch, 3, size, size, device=backbone.device).to(memory_format=torch.channels_last)


def _times(backbone: Backbone, runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """The fastest of each run [ms], measured in turn: what the work takes when nothing else disturbs it."""
    gpu = backbone.device.type == "cuda"
    with torch.inference_mode():
        runs = {name: _captured(run) if gpu else run for name, run in runs.items()}
        taken: dict[str, list[float]] = {name: [] for name in runs}
        order = list(runs)
        for turn in range(rounds + 2):
            random.shuffle(order)
            for name in order:
                begin = time.perf_counter()
                runs[name]()
                if gpu:
                    torch.cuda.synchronize()
                if turn >= 2:  # the first ones prepare
                    taken[name].append(1e3 * (time.perf_counter() - begin))
    return {name: min(values) for name, values in taken.items()}


def _captured(run: Run) -> Run:
    """The same work as a CUDA graph, without what Python costs to launch it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def _switch_ms(tasks: AdapterSet, batch: int) -> float:
    """Median time [ms] to wear another task."""
    taken = []
    with torch.inference_mode():
        for name in tasks.tasks:
            begin = time.perf_counter()
            tasks.route([name] * batch)
            if tasks.backbone.device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken)

"""Benchmark of a command's latency: from the cameras' messages to the command's, over ROS 2 between two processes."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import defaults
from lossless_ros.contract import Contract, load_contract
from lossless_ros.defaults import MAX_STEPS
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.over_ros import evaluate_over_ros
from lossless_ros.evaluation.rollout import EvalConfig
from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.models.policy_library import RuntimeConfig, load_policies
from lossless_ros.observation.frames import Frame

TASK = "rgb_stacking/triplet1"
_MODES = {"adapted": "adapters", "bare": "frozen"}


@dataclass(frozen=True)
class _Measurement:
    """How to measure.

    Attributes:
        contract: of the policies.
        periods: control periods per figure.
        device, runtime: of the inference node.
    """

    contract: Contract
    periods: int
    device: str
    runtime: str


def bench_latency(
    backbones: list[str],
    periods: int,
    device: str = "auto",
    runtime: str = "auto",
    on_progress: Callable[[str], None] = lambda figure: None,
) -> dict[str, Any]:
    """Measure policies with and without adapters in real time at the contract's rate.

    The simulated robot renders its two cameras in a process of its own. Adapters and head are random, and so is a
    backbone whose weights are not installed: the speed is the same.

    Args:
        backbones: names.
        periods: control periods per figure.
        device: of the inference node: auto, cpu or cuda.
        runtime: inference runtime of the node.
        on_progress: called with the name of each figure.

    Returns:
        rows, one per backbone, and the figures of the first one:
        end_to_end_ms {p50, p99, max}: from the start of publishing the images to the arrival of the command, measured
        at the robot, of the commands that arrived within their period;
        inference_ms: of `Policy.act` alone, at the same rate, without the simulator;
        periods, and missed: periods that ended without their command, also because the simulator's step was slow;
        bare: the same of the policy without adapters.
        Also gpu (its name) and load (of the machine, in the last minute: the figures of a busy machine mean little).

    Raises:
        LosslessError: unknown backbone, runtime or device, or not at least one period.
    """
    if periods < 1:
        raise LosslessError(f"--periods is {periods}, expected at least 1")
    contract = load_contract(defaults.CONTRACT)
    measurement = _Measurement(contract, periods, device, runtime)
    rows = []
    for name in backbones:
        with tempfile.TemporaryDirectory(prefix="lossless_bench_") as folder:
            bundles = {label: Path(folder, f"{label}.safetensors") for label in _MODES}
            _write_bundles(bundles, name, contract)
            figures = _measure_inference(bundles, measurement)
            on_progress(f"{name} alone")
            for label, bundle in bundles.items():
                figures[label] |= _measure_end_to_end(bundle, measurement)
                on_progress(f"{name} {label}")
        rows.append({"backbone": name, **figures["adapted"], "bare": figures["bare"]})
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "gpu": _gpu_name(rows[0]["device"])}
    figures_of_first = {key: rows[0][key] for key in ("end_to_end_ms", "inference_ms", "periods", "missed")}
    return {"rate_hz": contract.rate_hz, **machine, "rows": rows, **figures_of_first}


def _measure_end_to_end(bundle: Path, measurement: _Measurement) -> dict[str, Any]:
    """Measure from image to command, over ROS 2 between two processes."""
    times: list[float] = []
    done = 0
    while done < measurement.periods:
        left = measurement.periods - done
        job = EvalConfig(
            task=TASK,
            bundle=bundle,
            episodes=max(1, left // MAX_STEPS),
            seed=done,
            domain="nominal",
            runtime=measurement.runtime,
            max_steps=min(MAX_STEPS, left),
        )
        document = evaluate_over_ros(job, device=measurement.device, mode="real_time")
        times += document["latencies_ms"]
        done += sum(episode["steps"] for episode in document["episodes"])
    if not times:
        period_ms = 1e3 / measurement.contract.rate_hz
        raise LosslessError(f"no command arrived within its period of {period_ms:g} ms; nothing to measure")
    return {"end_to_end_ms": percentiles(times), "periods": done, "missed": done - len(times)}


def _measure_inference(bundles: dict[str, Path], measurement: _Measurement) -> dict[str, dict[str, Any]]:
    """Measure each policy alone on one thread, one inference per period, in turn.

    Without the pauses of a real control loop a GPU would keep its clock up and the CPU caches their content, and the
    figures would be too good.

    Returns:
        For each of `bundles`: device, runtime, precision and inference_ms.
    """
    from lossless_ros.training.threads import limited_threads

    contract = measurement.contract
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in contract.cameras)
    frame = Frame(0, images, np.zeros(contract.proprioception_dim, np.float32), {})
    times: dict[str, list[float]] = {label: [] for label in bundles}
    with limited_threads(1):  # as the node by default
        policies = load_policies(bundles, RuntimeConfig(device=measurement.device, runtime=measurement.runtime))
        due = time.perf_counter()
        for _ in range(measurement.periods):
            for label, policy in policies.items():
                time.sleep(max(0.0, due - time.perf_counter()))
                start = time.perf_counter()
                policy.act(frame)
                times[label].append(1e3 * (time.perf_counter() - start))
                due = max(due + 1 / contract.rate_hz, start)
    return {
        label: {
            "device": policy.device,
            "runtime": policy.runtime,
            "precision": policy.precision,
            "inference_ms": percentiles(times[label]),
        }
        for label, policy in policies.items()
    }


def _gpu_name(device: str) -> str | None:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else None


def _write_bundles(bundles: dict[str, Path], name: str, contract: Contract) -> None:
    """Write policies of the default size, at the cameras' image size, with random adapters and head.

    Args:
        bundles: path per label of _MODES.
        name: of the backbone.
        contract: of the policies.
    """
    import torch

    from lossless_ros.bench.adapters import load_with_any_weights
    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.bundle import Bundle, save_bundle
    from lossless_ros.models.network import Network
    from lossless_ros.models.network_config import RANDOM
    from lossless_ros.training.hyperparameters import load_hyperparameters, network_config

    backbone = load_with_any_weights(name)
    if backbone.source == RANDOM:  # the node has to load the same weights
        weights = next(iter(bundles.values())).with_suffix(".pt")
        torch.save(backbone.model.state_dict(), weights)
        backbone = load_backbone(name, weights)
    hyperparameters = replace(load_hyperparameters("default"), image_size=contract.cameras[0].width)
    fingerprint = backbone.fingerprint
    for label, path in bundles.items():
        mode = _MODES[label]
        config = network_config(hyperparameters, mode, backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network(config, backbone, contract)
        bundle = Bundle(TASK, mode, contract, name, fingerprint, config, source=backbone.source)
        save_bundle(path, bundle, network.state_dict())

"""How long a command takes: from the camera's message to the command's, over ROS 2 between two processes."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Contract, load_contract
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.over_ros import evaluate_over_ros
from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.models.policy_library import RuntimeConfig, load_policies
from lossless_ros.observation.frames import Frame

TASK = "rgb_stacking/triplet1"
_EPISODE = 400  # steps of an episode of the simulated robot
_MODES = {"adapted": "adapters", "bare": "frozen"}


def bench_latency(
    backbones: list[str],
    periods: int,
    device: str = "auto",
    runtime: str = "auto",
    on_progress: Callable[[str], None] = lambda figure: None,
) -> dict[str, Any]:
    """Latency of policies with adapters, each beside the same one without, in real time at the contract's rate.

    The simulated robot renders its two cameras in the other process. Adapters and head are random, and so is a
    backbone whose weights are not on this machine: it takes as long.

    Returns:
        rows (one per backbone) and, of the first one, end_to_end_ms {p50, p99, max} from the begin of publishing the
        images to the arrival of the command, seen from the robot, of the commands that came within their period;
        inference_ms, of `Policy.act` alone, as often, without the simulator; periods; missed: those that ended
        without their command, of which the simulator's own step takes its part; `bare` with the same of the policy
        without; gpu, its name; load, the machine's mean of the last minute: figures of a machine that does other
        things too say little.

    Raises:
        LosslessError: unknown backbone, runtime or device, or not at least one period.
    """
    if periods < 1:
        raise LosslessError(f"--periods is {periods}, expected at least 1")
    contract = load_contract("rgb_stacking")
    rows = []
    for name in backbones:
        with tempfile.TemporaryDirectory(prefix="lossless_bench_") as folder:
            bundles = {what: Path(folder, f"{what}.safetensors") for what in _MODES}
            _write_bundles(bundles, name, contract)
            figures = _inference(bundles, contract, periods, device, runtime)
            on_progress(f"{name} alone")
            for what, bundle in bundles.items():
                figures[what] |= _end_to_end(bundle, contract, periods, device, runtime)
                on_progress(f"{name} {what}")
        rows.append({"backbone": name, **figures["adapted"], "bare": figures["bare"]})
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "gpu": _gpu(rows[0]["device"])}
    about = {"rate_hz": contract.rate_hz, **machine, "rows": rows}
    return about | {key: rows[0][key] for key in ("end_to_end_ms", "inference_ms", "periods", "missed")}


def _end_to_end(bundle: Path, contract: Contract, periods: int, device: str, runtime: str) -> dict[str, Any]:
    """Time from image to command, over ROS 2 between two processes."""
    times: list[float] = []
    done = 0
    while done < periods:
        steps = min(_EPISODE, periods - done)
        episodes = max(1, (periods - done) // _EPISODE)
        document = evaluate_over_ros(
            *(TASK, "nominal", episodes, done, bundle, device, runtime), steps=steps, mode="real_time"
        )
        times += document["latencies_ms"]
        done += sum(episode["steps"] for episode in document["episodes"])
    if not times:
        raise LosslessError(f"no command came within its period of {1e3 / contract.rate_hz:g} ms; nothing to measure")
    return {"end_to_end_ms": percentiles(times), "periods": done, "missed": done - len(times)}


def _inference(
    bundles: dict[str, Path], contract: Contract, periods: int, device: str, runtime: str
) -> dict[str, dict[str, Any]]:
    """Time of each policy alone on one thread, one of them every period, in turn; and what they run on.

    Between two of a robot's frames a GPU lowers its clock and caches forget, so without pauses it would be too fast.
    """
    from lossless_ros.training.threads import threads

    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in contract.cameras)
    frame = Frame(0, images, np.zeros(contract.proprioception_dim, np.float32), {})
    times: dict[str, list[float]] = {what: [] for what in bundles}
    with threads(1):  # the node's default
        policies = load_policies(bundles, RuntimeConfig(device, runtime))
        due = time.perf_counter()
        for _ in range(periods):
            for what, policy in policies.items():
                time.sleep(max(0.0, due - time.perf_counter()))
                begin = time.perf_counter()
                policy.act(frame)
                times[what].append(1e3 * (time.perf_counter() - begin))
                due = max(due + 1 / contract.rate_hz, begin)
    return {
        what: {
            **{"device": policy.device, "runtime": policy.runtime, "precision": policy.precision},
            "inference_ms": percentiles(times[what]),
        }
        for what, policy in policies.items()
    }


def _gpu(device: str) -> str | None:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else None


def _write_bundles(bundles: dict[str, Path], name: str, contract: Contract) -> None:
    """Policies of the training's default sizes, at the cameras' size, with random adapters and head."""
    import torch

    from lossless_ros.bench.adapters import load_with_any_weights
    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.bundle import Bundle, save_bundle
    from lossless_ros.models.network import Network
    from lossless_ros.models.network_config import RANDOM
    from lossless_ros.training.hyperparameters import load_hyperparameters, network_config

    backbone = load_with_any_weights(name)
    if backbone.source == RANDOM:  # the node has to load the same
        weights = next(iter(bundles.values())).with_suffix(".pt")
        torch.save(backbone.model.state_dict(), weights)
        backbone = load_backbone(name, weights)
    settings = replace(load_hyperparameters("default"), image_size=contract.cameras[0].width)
    fingerprint = backbone.fingerprint
    for what, path in bundles.items():
        mode = _MODES[what]
        config = network_config(settings, mode, backbone)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network(config, backbone, contract)
        bundle = Bundle(TASK, mode, contract, name, fingerprint, config, source=backbone.source)
        save_bundle(path, bundle, network.state_dict())

"""Behavior cloning: episodes in, one bundle out. The shared backbone is used and never changed."""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.cache import DecodedEpisode, decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.errors import LosslessError
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, check_backbone, load_bundle, save_bundle
from lossless_ros.models.device import find_device
from lossless_ros.models.network import Network
from lossless_ros.models.out_of_memory import explain_out_of_memory
from lossless_ros.provenance import versions
from lossless_ros.training.checkpoint import checkpoint_path, read_checkpoint, write_checkpoint
from lossless_ros.training.determinism import deterministic
from lossless_ros.training.distributed import Group, joined
from lossless_ros.training.hyperparameters import Hyperparameters, network_config
from lossless_ros.training.loggers import RunLogger
from lossless_ros.training.threads import quickest, threads
from lossless_ros.training.trainer import NotFiniteError, Run

OnProgress = Callable[[int, int, str], object]  # percent, 100, a note


def train(
    data: list[Path],
    backbone: str,
    mode: str,
    out: Path,
    config: Hyperparameters,
    contract: Contract,
    resume: bool = False,
    on_progress: OnProgress = lambda done, total, note: None,
    weights: Path | None = None,
    begin: Path | None = None,
    logs: Path | None = None,
    robot: Robot | None = None,
) -> dict[str, Any]:
    """Train a policy on the episodes in the folders `data` and write its bundle to `out`.

    `robot` is the one that recorded them, if it has other names than the contract. `begin` is a bundle of the same mode
    to begin with; its statistics of the proprioception are kept. `logs` is a folder for TensorBoard and a picture of
    the learning curve.

    Started by torchrun, each process takes its part of every batch, and the result is the same up to rounding.

    Returns:
        JSON-able (of several processes only the first one's): steps, seconds, learning curve, last losses and errors,
        numbers of parameters, data, bundle's hash.

    Raises:
        LosslessError: data, backbone, mode or folder cannot be used, or the loss is not finite (then the last good
            checkpoint is kept).
    """
    with joined(find_device(config.device)) as (group, device), deterministic(device):
        tell = on_progress if group.first else lambda done, total, note: None
        options = (resume, tell, weights, begin, logs, robot)
        return _train(data, backbone, mode, out, config, contract, *options, group, device)


def _train(
    data: list[Path],
    backbone: str,
    mode: str,
    out: Path,
    config: Hyperparameters,
    contract: Contract,
    resume: bool,
    on_progress: OnProgress,
    weights: Path | None,
    begin: Path | None,
    logs: Path | None,
    robot: Robot | None,
    group: Group,
    device: torch.device,
) -> dict[str, Any]:
    began = time.monotonic()
    check_out(out)
    if group.size > 1 and config.max_minutes is not None:
        raise LosslessError("max_minutes is for one process, whose clock it is; give steps to several")
    frozen = load_backbone(backbone, weights)
    sizes = network_config(config, mode, frozen)
    student = _student(begin, mode, frozen) if begin else None
    if student:
        sizes = student[0].network
        config = dataclasses.replace(
            config, head_warmup_steps=0
        )  # it would train the head without the adapters it is used to
    paths = find_episodes(data)
    with group.in_turn():
        episodes = decode_episodes(paths, contract, robot, lambda i, n: on_progress(0, 100, f"decoding {i} of {n}"))
    task = _task(episodes, out)
    training, held_out = split(episodes, config.held_out, config.only_successful)
    fingerprint = frozen.fingerprint
    with threads(_thread_count(config, device, frozen, sizes.image_size)), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Network(sizes, frozen, contract)
        network.fit_statistics(training.proprioception)
        if student:
            network.load(student[1])
        with explain_out_of_memory(f"on {device}", "try a smaller backbone"):
            frozen.to(device)
            network.to(device)
            run = Run(config, contract, frozen, network, training, held_out, device, began, group)
        parts = (mode, backbone, fingerprint, training.key, held_out.key, contract.to_json())
        identity = _identity((*parts, student[0].hash if student else ""), config)
        if resume:
            run.restore(read_checkpoint(out, identity))
        log = RunLogger(logs if group.first else None, run.step)
        last = _advance(run, out, identity, on_progress, log)
    frozen.to("cpu")
    if frozen.fingerprint != fingerprint:
        raise LosslessError(f"backbone {backbone} changed while it was trained on; no bundle was written")
    metrics = {name: last[name] for name in ("train_loss", "held_out_loss", "mae", "gripper_agreement")}
    sources = {
        "episodes": len(training.episodes),
        "frames": len(training),
        "held_out_episodes": len(held_out.episodes),
        "held_out_frames": len(held_out),
        "left_out_episodes": len(episodes) - len(training.episodes) - len(held_out.episodes),
        "key": training.key,
    }
    provenance = {
        "data": sources,
        "steps": run.step,
        "config": dataclasses.asdict(config),
        "versions": versions(),
        "metrics": metrics,
    }
    if not group.first:
        return {}
    bundle = Bundle(task, mode, contract, backbone, fingerprint, sizes, provenance, frozen.source)
    bundle = save_bundle(out, bundle, run.result.state_dict())
    checkpoint_path(out).unlink(missing_ok=True)
    return {
        "bundle": str(out),
        "bundle_hash": bundle.hash,
        "task": task,
        "mode": mode,
        "backbone": backbone,
        "steps": run.step,
        "seconds": run.elapsed,
        "curve": run.curve,
        **metrics,
        "parameters": _parameters(network, frozen),
        "data": sources,
    }


def _advance(run: Run, out: Path, identity: str, on_progress: OnProgress, log: RunLogger) -> dict[str, Any]:
    """Go through all steps that are left; returns the last look."""
    looks = run.config.num_validations
    due = int(looks * run.progress) + 1  # number of the next look
    with explain_out_of_memory("before the first step", "try a smaller batch"):
        point = run.look() if run.step == 0 else run.curve[-1]
    if run.step == 0:
        log.add(point)
    while run.step == 0 or run.progress < 1:
        try:
            with explain_out_of_memory(
                f"in step {run.step}", f"{_kept(out)}; try a smaller batch or checkpointing: true"
            ):
                value = run.advance()
        except NotFiniteError:
            raise LosslessError(
                f"loss is not finite in step {run.step}; {_kept(out)}; try a lower learning_rate or clip"
            ) from None
        on_progress(int(100 * run.progress), 100, f"step {run.step}, loss {value:.4f}")
        if looks * run.progress >= due and run.progress < 1 and run.can_look:
            due = int(looks * run.progress) + 1
            point = run.look()
            log.add(point)
            if run.group.first:
                write_checkpoint(out, {"run": identity, **run.state()})
    if run.curve[-1]["step"] < run.step:
        point = run.look()
        log.add(point)
    log.close(run.curve)
    return point


def _kept(out: Path) -> str:
    """What is there of a run that has to stop."""
    path = checkpoint_path(out)
    return f"{path} holds the last good state" if path.is_file() else "there is no checkpoint yet"


def _task(episodes: list[DecodedEpisode], out: Path) -> str:
    """The episodes' task; the bundle's name for recordings that do not say.

    Raises:
        LosslessError: they are of several tasks.
    """
    tasks = sorted({str(e.info["task"]) for e in episodes if "task" in e.info})
    if len(tasks) > 1:
        raise LosslessError(
            f"episodes of {len(tasks)} tasks: {', '.join(tasks)}; a bundle is for one, give one's folders"
        )
    return tasks[0] if tasks else out.stem


def _student(path: Path, mode: str, backbone: Backbone) -> tuple[Bundle, dict[str, torch.Tensor]]:
    """The bundle to begin with, and its tensors."""
    bundle, tensors = load_bundle(path)
    check_backbone(path, bundle, backbone.name, backbone.fingerprint)
    if bundle.mode != mode:
        raise LosslessError(f"{path} is of mode {bundle.mode}, not {mode}; train with --mode {bundle.mode}")
    return bundle, tensors


def _identity(parts: tuple[str, ...], config: Hyperparameters) -> str:
    text = json.dumps([*parts, dataclasses.asdict(config)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _parameters(network: Network, backbone: Backbone) -> dict[str, int]:
    return {
        "backbone": backbone.num_parameters,
        "trained": count_parameters(network),
        "adapters": count_parameters(network.adapters),
        "top": count_parameters(network.top),
        "trainable_backbone": count_parameters(network.trainable_backbone) if network.trainable_backbone else 0,
        "head": count_parameters(network.head) + count_parameters(network.norm),
    }


def _thread_count(config: Hyperparameters, device: torch.device, backbone: Backbone, size: int) -> int | None:
    """The settings' threads; for a run against time the quickest, else torch's own, which makes runs comparable."""
    if config.threads is not None or config.max_minutes is None or device.type != "cpu":
        return config.threads
    images = torch.zeros(16, 3, size, size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return quickest(lambda: backbone.features(images))


def check_out(out: Path) -> None:
    """Find out before hours of training, not after, that no bundle can be written.

    Raises:
        LosslessError: not a bundle's name, or the file cannot be written.
    """
    if out.suffix != ".safetensors":
        raise LosslessError(f"cannot write {out}: expected a name that ends in .safetensors")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        probe = out.with_name(f".{out.name}.{os.getpid()}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LosslessError(f"cannot write {out}: {error.strerror}") from None

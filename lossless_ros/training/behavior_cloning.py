"""Behavior cloning: train adapters and head on demonstrations, into one bundle. The shared backbone stays unchanged."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossless_ros import defaults
from lossless_ros.contract import Contract, Robot, load_contract, load_robot
from lossless_ros.control.robot_limits import check_robot_allows
from lossless_ros.episodes.cache import DecodedEpisode, decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.left_out import describe_left_out, gripper_note, left_out_by_episode, left_out_frames
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.errors import LosslessError
from lossless_ros.files import check_writable
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, check_backbone, load_bundle, round_to_dtype, save_bundle
from lossless_ros.models.device import find_device
from lossless_ros.models.execution import Execution
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.out_of_memory import explain_out_of_memory
from lossless_ros.progress import echo
from lossless_ros.provenance import versions
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.checkpoint import RunIdentity, checkpoint_path, read_checkpoint
from lossless_ros.training.determinism import deterministic
from lossless_ros.training.distributed import ProcessGroup, process_group
from lossless_ros.training.hyperparameters import (
    Hyperparameters,
    load_hyperparameters,
    network_config,
    settings_for_this_machine,
)
from lossless_ros.training.loggers import RunLogger
from lossless_ros.training.loop import OnProgress, TrainingLoop
from lossless_ros.training.object_positions import ObjectPositionHead, check_contract
from lossless_ros.training.statistics import describe_seeds, training_statistics
from lossless_ros.training.threads import faster_thread_count, limited_threads
from lossless_ros.training.trainer import Trainer

_METRICS = ("train_loss", "held_out_loss", "mae", "gripper_agreement", "object_error_mm")

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class TrainConfig:
    """What to train on what. The bundle depends on the seed, not on interruptions.

    Attributes:
        data: folder with episodes (rosbag2 folders), or several of them.
        out: the bundle to write (.safetensors).
        backbone: name of the pretrained backbone, see `models.backbones`.
        mode: what is trained, one of `hyperparameters.MODES`.
        hyperparameters: a name of config/training, a YAML file, or the hyperparameters themselves.
        contract: a name of config/contracts, a YAML file, or the contract itself.
        robot: who recorded the episodes: a name of config/robots, a YAML file, or the robot itself.
        resume: continue from the last checkpoint next to `out`.
        weights: local file with the backbone's weights; None for its default source.
        allow_hub: whether weights may be downloaded.
        init_from: bundle of the same mode to start from; its proprioception statistics are kept.
        log_dir: folder for TensorBoard logs and an image of the learning curve.
    """

    data: Paths
    out: str | Path
    backbone: str = defaults.BACKBONE
    mode: str = "adapters"
    hyperparameters: str | Hyperparameters = defaults.SETTINGS
    contract: str | Contract = defaults.CONTRACT
    robot: str | Robot = "sim"
    resume: bool = False
    weights: str | Path | None = None
    allow_hub: bool = False
    init_from: str | Path | None = None
    log_dir: str | Path | None = None


@dataclass(frozen=True)
class _Job:
    """A training job with its names resolved and its files loaded, before anything is trained."""

    config: TrainConfig
    out: Path
    contract: Contract
    robot: Robot
    backbone: Backbone
    fingerprint: str  # of the backbone, before training
    hyperparameters: Hyperparameters
    network: NetworkConfig
    execution: Execution
    init: "_InitialPolicy | None"


@dataclass(frozen=True)
class _InitialPolicy:
    """The bundle that training starts from, and its tensors."""

    bundle: Bundle
    tensors: dict[str, torch.Tensor]


def train(config: TrainConfig, on_progress: OnProgress = lambda done, total, note: None) -> dict[str, Any]:
    """Train a policy on episodes and write its bundle.

    In processes started by torchrun, each computes its share of every batch; the result is the same up to rounding.

    Returns:
        JSON-serializable (empty in all processes but the main one): bundle, bundle_hash, task, mode, backbone, steps,
        seconds, curve (see `Trainer.validate`), the last losses and errors, parameters (numbers of them), data.

    Raises:
        LosslessError: data, backbone, mode or folder cannot be used, or the loss is not finite (then the last good
            checkpoint is kept).
    """
    hyperparameters = load_hyperparameters(config.hyperparameters)
    with process_group(find_device(hyperparameters.device)) as group, deterministic(group.device):
        report = on_progress if group.is_main else lambda done, total, note: None
        return _train(config, hyperparameters, group, report)


def _train(
    config: TrainConfig, hyperparameters: Hyperparameters, group: ProcessGroup, on_progress: OnProgress
) -> dict[str, Any]:
    started = time.monotonic()
    job = _prepare(config, hyperparameters, group)
    episodes = _decode(job, group, on_progress)
    task = _find_task(episodes, job.out)
    if group.is_main and config.hyperparameters == defaults.SETTINGS:
        echo(f"training settings: {settings_for_this_machine()}, for this machine; --config chooses others")
    hyperparameters = job.hyperparameters  # those of `config`, adapted to the bundle to start from
    data = TrainingData(*split(episodes, hyperparameters.held_out, hyperparameters.only_successful))
    _report_recordings(job, data, group)
    threads = _choose_threads(hyperparameters, group.device, job.backbone, job.network.image_size)
    with limited_threads(threads), torch.random.fork_rng(devices=[]):
        trainer = _make_trainer(job, data, group, started)
        identity = _identify(job, data)
        if config.resume:
            trainer.restore(read_checkpoint(job.out, identity))
        log_dir = Path(config.log_dir) if config.log_dir and group.is_main else None
        logger = RunLogger(log_dir, trainer.step)
        last = TrainingLoop(trainer, job.out, identity, logger, on_progress).run()
        if group.is_main:
            last = _round_weights(trainer, hyperparameters.bundle_dtype, last)
            statistics = training_statistics(trainer.result, trainer.backbone, data)
    job.backbone.to("cpu")
    if job.backbone.fingerprint != job.fingerprint:
        raise LosslessError(f"backbone {config.backbone} changed during training; no bundle was written")
    if not group.is_main:
        return {}
    metrics = {name: last[name] for name in _METRICS}
    sources = _describe_data(data, len(episodes), job.init.bundle if job.init else None)
    provenance = {
        "data": sources,
        "steps": trainer.step,
        "config": dataclasses.asdict(hyperparameters),
        "versions": versions(),
        "metrics": metrics,
    }
    bundle = Bundle(
        task=task,
        mode=config.mode,
        contract=job.contract,
        backbone=config.backbone,
        fingerprint=job.fingerprint,
        network=job.network,
        provenance=provenance,
        source=job.backbone.source,
        execution=job.execution,
        dtype=hyperparameters.bundle_dtype,
        statistics=statistics,
    )
    trainer.network.auxiliary = trainer.result.auxiliary = None
    bundle = save_bundle(job.out, bundle, trainer.result.state_dict())
    checkpoint_path(job.out).unlink(missing_ok=True)
    return {
        "bundle": str(job.out),
        "bundle_hash": bundle.hash,
        "task": task,
        "mode": config.mode,
        "backbone": config.backbone,
        "steps": trainer.step,
        "seconds": trainer.elapsed,
        "curve": trainer.curve,
        **metrics,
        "parameters": _count_parameters(trainer.network, job.backbone),
        "data": {**sources, "left_out_by_episode": left_out_by_episode(data.episodes)},
    }


def _round_weights(trainer: Trainer, dtype: str, last: dict[str, Any]) -> dict[str, Any]:
    """Round the trained weights to what the bundle stores; return the last validation, made again with them."""
    if dtype == "float32":
        return last
    with torch.no_grad():
        round_to_dtype(trainer.result.state_dict(), dtype)
    trainer.validate()
    trainer.curve[-2:] = [
        {**trainer.curve[-1], "train_loss": last["train_loss"], "learning_rate": last["learning_rate"]}
    ]
    return trainer.curve[-1]


def _prepare(config: TrainConfig, hyperparameters: Hyperparameters, group: ProcessGroup) -> _Job:
    """Check what can be checked early, and load everything but the episodes."""
    contract = config.contract if isinstance(config.contract, Contract) else load_contract(config.contract)
    if isinstance(config.robot, Robot):
        robot = config.robot
    else:
        robot = load_robot(config.robot)
        check_robot_allows(config.robot, contract)  # the node would refuse the bundle
    out = Path(config.out)
    check_out(out)
    if group.size > 1 and hyperparameters.max_minutes is not None:
        raise LosslessError(f"max_minutes is for one process, not for {group.size}; give steps instead")
    weights = Path(config.weights) if config.weights is not None else None
    backbone = load_backbone(config.backbone, weights, config.allow_hub)
    network = network_config(hyperparameters, config.mode, backbone)
    if hyperparameters.object_position_weight:
        check_contract(contract)
    init = None
    if config.init_from is not None:
        init = _load_initial_policy(Path(config.init_from), config.mode, backbone)
        network = init.bundle.network
        # A warmup would train the head without the adapters that it was trained with.
        hyperparameters = dataclasses.replace(hyperparameters, head_warmup_steps=0)
    try:  # its chunks may be those of the bundle to start from
        execution = Execution.parse(hyperparameters.execution, network.chunk_size)
    except ValueError as error:
        raise LosslessError(str(error)) from None
    return _Job(
        config=config,
        out=out,
        contract=contract,
        robot=robot,
        backbone=backbone,
        fingerprint=backbone.fingerprint,
        hyperparameters=hyperparameters,
        network=network,
        execution=execution,
        init=init,
    )


def _decode(job: _Job, group: ProcessGroup, on_progress: OnProgress) -> list[DecodedEpisode]:
    def report(done: int, total: int) -> None:
        on_progress(done, total, "episodes decoded")

    paths = find_episodes(as_paths(job.config.data))
    with group.main_first():
        return decode_episodes(paths, job.contract, job.robot, report)


def _report_recordings(job: _Job, data: TrainingData, group: ProcessGroup) -> None:
    """Say what of the recordings is not trained on.

    Raises:
        LosslessError: the gripper commands are in other units.
    """
    note = gripper_note(data.episodes, job.contract, job.robot)
    for line in (*describe_left_out(data.episodes), *([note] if note else [])):
        if group.is_main:
            echo(line)


def as_paths(paths: Paths) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def _find_task(episodes: list[DecodedEpisode], out: Path) -> str:
    """Return the episodes' task, or the bundle's name for recordings without one.

    Raises:
        LosslessError: the episodes are of several tasks.
    """
    tasks = sorted({str(e.info["task"]) for e in episodes if "task" in e.info})
    if len(tasks) > 1:
        raise LosslessError(f"episodes of {len(tasks)} tasks: {', '.join(tasks)}; give the folders of one task")
    return tasks[0] if tasks else out.stem


def _load_initial_policy(path: Path, mode: str, backbone: Backbone) -> _InitialPolicy:
    bundle, tensors = load_bundle(path)
    check_backbone(path, bundle, backbone.name, backbone.fingerprint)
    if bundle.mode != mode:
        raise LosslessError(f"{path} is of mode {bundle.mode}, not {mode}; train with --mode {bundle.mode}")
    return _InitialPolicy(bundle, tensors)


def _make_trainer(job: _Job, data: TrainingData, group: ProcessGroup, started: float) -> Trainer:
    """Return the trainer of a new network; seeds torch's random numbers."""
    torch.manual_seed(job.hyperparameters.seed)
    network = Network(job.network, job.backbone, job.contract)
    network.fit_statistics(data.training.proprioception)
    if job.init:
        network.load(job.init.tensors)
    if _uses_object_positions(job.hyperparameters, data, group):
        network.auxiliary = ObjectPositionHead(network.embedding_dim)
    with explain_out_of_memory(f"on {group.device}", "try a smaller backbone"):
        job.backbone.to(group.device)
        network.to(group.device)
        return Trainer(job.hyperparameters, job.contract, job.backbone, network, data, group, started)


def _uses_object_positions(hyperparameters: Hyperparameters, data: TrainingData, group: ProcessGroup) -> bool:
    """Return whether there is an auxiliary loss, and say if its setting has no effect."""
    if not hyperparameters.object_position_weight:
        return False
    if np.isfinite(data.training.object_positions).any():
        return True
    if group.is_main:
        echo("the episodes have no object poses, so object_position_weight has no effect")
    return False


def _identify(job: _Job, data: TrainingData) -> RunIdentity:
    return RunIdentity(
        mode=job.config.mode,
        backbone=job.config.backbone,
        fingerprint=job.fingerprint,
        training_key=data.training.key,
        held_out_key=data.held_out.key,
        contract=job.contract.to_json(),
        init_hash=job.init.bundle.hash if job.init else "",
        hyperparameters=job.hyperparameters,
    )


def _choose_threads(config: Hyperparameters, device: torch.device, backbone: Backbone, image_size: int) -> int | None:
    """Return the number of threads of the hyperparameters, or with a time budget the faster of one and all.

    None leaves the choice to torch, which makes it the same for every run on a machine.
    """
    if config.threads is not None or config.max_minutes is None or device.type != "cpu":
        return config.threads
    images = torch.zeros(16, 3, image_size, image_size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return faster_thread_count(lambda: backbone.features(images))


def _describe_data(data: TrainingData, num_episodes: int, before: Bundle | None) -> dict[str, Any]:
    training, held_out = data.training, data.held_out
    return {
        "episodes": len(training.episodes),
        "frames": len(training),
        "held_out_episodes": len(held_out.episodes),
        "held_out_frames": len(held_out),
        "left_out_frames": left_out_frames(data.episodes),
        "left_out_episodes": num_episodes - len(training.episodes) - len(held_out.episodes),
        "episodes_with_object_poses": sum(e.object_positions is not None for e in training.episodes),
        "key": training.key,
        **describe_seeds(data, before),
    }


def _count_parameters(network: Network, backbone: Backbone) -> dict[str, int]:
    return {
        "backbone": backbone.num_parameters,
        "trained": count_parameters(network),
        "adapters": count_parameters(network.adapters),
        "top": count_parameters(network.top),
        "own_backbone": count_parameters(network.trainable_backbone) if network.trainable_backbone else 0,
        "head": count_parameters(network.head) + count_parameters(network.norm),
    }


def check_out(out: Path) -> None:
    """Check that a bundle can be written, before hours of training.

    Raises:
        LosslessError: the name does not end in .safetensors, or the file cannot be written.
    """
    if out.suffix != ".safetensors":
        raise LosslessError(f"cannot write {out}: expected a name that ends in .safetensors")
    check_writable(out)

"""Behavior cloning: train adapters and head on demonstrations, into one bundle. The shared backbone stays unchanged."""

import time
from pathlib import Path
from typing import Any

import torch

from lossless_ros import defaults
from lossless_ros.errors import LosslessError
from lossless_ros.models.device import find_device
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import BATCH
from lossless_ros.models.out_of_memory import explain_out_of_memory
from lossless_ros.progress import echo
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.checkpoint import checkpoint_path, read_checkpoint
from lossless_ros.training.determinism import deterministic
from lossless_ros.training.distributed import ProcessGroup, process_group
from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters, settings_for_this_machine
from lossless_ros.training.loggers import RunLogger
from lossless_ros.training.loop import OnProgress, TrainingLoop
from lossless_ros.training.object_targets import wants_object_targets
from lossless_ros.training.recordings import load_recordings
from lossless_ros.training.threads import choose_threads, limited_threads
from lossless_ros.training.train_config import TrainConfig
from lossless_ros.training.train_job import TrainJob, prepare_job
from lossless_ros.training.trained_policy import finish, save_checkpoint_bundle
from lossless_ros.training.trainer import Trainer


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
    if group.size > 1 and hyperparameters.max_minutes is not None:
        raise LosslessError(f"max_minutes is for one process, not for {group.size}; give steps instead")
    if group.size > 1 and hyperparameters.head_norm == BATCH:
        raise LosslessError(f"head_norm: batch is for one process, not for {group.size}; its statistics would differ")
    job = prepare_job(config, hyperparameters)
    recordings = load_recordings(job, group, on_progress)
    if group.is_main and config.hyperparameters == defaults.SETTINGS:
        echo(f"training settings: {settings_for_this_machine()}, for this machine; --config chooses others")
    threads = choose_threads(job.hyperparameters, group.device, job.backbone, job.network.image_size)
    with limited_threads(threads), torch.random.fork_rng(devices=[]):
        trainer = _make_trainer(job, recordings.data, group, started)
        identity = job.identify(recordings.data)
        if config.resume:
            trainer.restore(read_checkpoint(job.out, identity))
        log_dir = Path(config.log_dir) if config.log_dir and group.is_main else None
        logger = RunLogger(log_dir, trainer.step)

        def keep(remaining: int) -> None:
            if group.is_main and remaining <= config.keep_checkpoints:
                save_checkpoint_bundle(trainer, job, recordings)

        TrainingLoop(trainer, job.out, identity, logger, on_progress, keep).run()
        policy = finish(trainer, job.hyperparameters.bundle_dtype, recordings) if group.is_main else None
    job.backbone.to("cpu")
    if job.backbone.fingerprint != job.fingerprint:
        raise LosslessError(f"backbone {config.backbone} changed during training; no bundle was written")
    if policy is None:
        return {}
    result = policy.save(job, recordings)
    checkpoint_path(job.out).unlink(missing_ok=True)
    return result


def _make_trainer(job: TrainJob, data: TrainingData, group: ProcessGroup, started: float) -> Trainer:
    """Return the trainer of a new network; seeds torch's random numbers."""
    torch.manual_seed(job.hyperparameters.seed)
    network = Network(job.network, job.backbone, job.contract)
    network.fit_statistics(data.training.proprioception)
    if job.init:
        network.load(job.init.tensors)
    with explain_out_of_memory(f"on {group.device}", "try a smaller backbone"):
        job.backbone.to(group.device)
        network.to(group.device)
        trainer = Trainer(job.hyperparameters, job.contract, job.backbone, network, data, group, started)
    if wants_object_targets(job.hyperparameters) and network.auxiliary is None and group.is_main:
        echo("the episodes have no object poses, so object_position_weight and object_width_weight have no effect")
    return trainer

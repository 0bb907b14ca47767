"""A policy whose training is complete: rounded to what its bundle stores, written and described."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from lossless_ros.episodes.left_out import left_out_by_episode
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import Bundle, round_to_dtype, save_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.training_statistics import TrainingStatistics
from lossless_ros.provenance import versions
from lossless_ros.training.recordings import Recordings
from lossless_ros.training.statistics import training_statistics
from lossless_ros.training.train_config import kept_bundle
from lossless_ros.training.train_job import TrainJob
from lossless_ros.training.trainer import Trainer

_METRICS = ("train_loss", "held_out_loss", "mae", "gripper_agreement", "object_error_mm", "object_width_error_mm")


@dataclass(frozen=True)
class TrainedPolicy:
    """A trainer at its end, with the weights that the bundle stores."""

    trainer: Trainer
    metrics: dict[str, Any]  # of the last validation
    statistics: TrainingStatistics

    def save(self, job: TrainJob, recordings: Recordings) -> dict[str, Any]:
        """Write the bundle and return what `train` returns.

        Raises:
            LosslessError: the file cannot be written.
        """
        config, trainer = job.config, self.trainer
        bundle = _describe(trainer, job, recordings, self.metrics)
        bundle = dataclasses.replace(bundle, statistics=self.statistics)
        data = bundle.provenance["data"]
        trainer.network.auxiliary = trainer.result.auxiliary = None
        bundle = save_bundle(job.out, bundle, trainer.result.state_dict())
        return {
            "bundle": str(job.out),
            "bundle_hash": bundle.hash,
            "task": recordings.task,
            "mode": config.mode,
            "backbone": config.backbone,
            "steps": trainer.step,
            "seconds": trainer.elapsed,
            "curve": trainer.curve,
            **self.metrics,
            "parameters": _count_parameters(trainer.network, job.backbone),
            "data": {**data, "left_out_by_episode": left_out_by_episode(recordings.data.episodes)},
        }


def save_checkpoint_bundle(trainer: Trainer, job: TrainJob, recordings: Recordings) -> None:
    """Write the policy of the trainer's last validation as a bundle without statistics of the data.

    Raises:
        LosslessError: the file cannot be written.
    """
    metrics = _last_metrics(trainer)
    tensors = {n: t for n, t in trainer.result.state_dict().items() if not n.startswith("auxiliary.")}
    bundle = _describe(trainer, job, recordings, metrics)
    save_bundle(kept_bundle(job.out, trainer.step), bundle, tensors)


def _last_metrics(trainer: Trainer) -> dict[str, Any]:
    """Return the metrics of the last validation; those of a gripper are missing without one."""
    last = trainer.curve[-1]
    return {name: last[name] for name in _METRICS if name in last}


def _describe(trainer: Trainer, job: TrainJob, recordings: Recordings, metrics: dict[str, Any]) -> Bundle:
    """Return the metadata of the bundle of a trainer's current policy."""
    provenance = {
        "data": recordings.describe(job.init.bundle if job.init else None),
        "steps": trainer.step,
        "config": dataclasses.asdict(job.hyperparameters),
        "versions": versions(),
        "metrics": metrics,
    }
    return Bundle(
        task=recordings.task,
        mode=job.config.mode,
        contract=job.contract,
        backbone=job.config.backbone,
        fingerprint=job.fingerprint,
        network=job.network,
        provenance=provenance,
        source=job.backbone.source,
        execution=job.execution,
        dtype=job.hyperparameters.bundle_dtype,
    )


def finish(trainer: Trainer, dtype: str, recordings: Recordings) -> TrainedPolicy:
    """Round the trained weights to what a bundle of this dtype stores, and measure the policy with them."""
    last = trainer.curve[-1]
    if dtype != "float32":
        with torch.no_grad():
            round_to_dtype(trainer.result.state_dict(), dtype)
        trainer.validate()
        trainer.curve[-2:] = [
            {**trainer.curve[-1], "train_loss": last["train_loss"], "learning_rate": last["learning_rate"]}
        ]
    return TrainedPolicy(
        trainer, _last_metrics(trainer), training_statistics(trainer.result, trainer.backbone, recordings.data)
    )


def _count_parameters(network: Network, backbone: Backbone) -> dict[str, int]:
    return {
        "backbone": backbone.num_parameters,
        "trained": count_parameters(network),
        "adapters": count_parameters(network.adapters),
        "top": count_parameters(network.top),
        "own_backbone": count_parameters(network.trainable_backbone) if network.trainable_backbone else 0,
        "head": sum(count_parameters(part) for part in (network.head, network.norm, network.input_norm)),
    }

"""Demonstrations, trainings and closed-loop evaluations that the benchmarks of policies share."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.episode_table import append_rows, read_rows, select
from lossless_ros.evaluation.resumable import evaluate_missing
from lossless_ros.evaluation.rollout import EvalConfig
from lossless_ros.files import write_atomically
from lossless_ros.simulation.collect import CollectConfig, collect
from lossless_ros.simulation.episode import episode_name

BACKBONE = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of an expert, which also labels the rounds of DAgger."""

    domain: str
    episodes: int
    first_seed: int
    expert_noise: float  # disturbs what the expert does; labels stay clean
    task: str
    expert: str = "scripted"

    def summary(self) -> dict[str, Any]:
        """Return the fields without the task."""
        return {name: value for name, value in asdict(self).items() if name != "task"}


@dataclass(frozen=True)
class Workspace:
    """A folder with demonstrations, bundles and results. Whatever is there is not made again."""

    folder: Path
    episodes: int = 50  # of each evaluation, seeds from 0
    workers: int = 1
    runtime: str = "openvino"  # that runs the policies

    def bundle(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def bags(self, data: Demonstrations) -> Path:
        """Return the folder of these demonstrations."""
        return self.folder / f"demonstrations_{data.task.rpartition('/')[2]}_{data.domain}_{data.expert}"

    def demonstrations(self, data: Demonstrations) -> list[Path]:
        """Collect the missing demonstrations; return the folders of all. Unstable episodes are left out."""
        out = self.bags(data)
        collect(
            CollectConfig(
                task=data.task,
                out=out,
                episodes=data.episodes,
                seed=data.first_seed,
                domain=data.domain,
                expert=data.expert,
                expert_noise=data.expert_noise,
                workers=self.workers,
            )
        )
        paths = [out / episode_name(data.first_seed + i) for i in range(data.episodes)]
        return [path for path in paths if path.exists()]

    def training(self, name: str, train: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what the training of NAME.safetensors returned; train it if that is not stored yet."""
        return self.stored(f"{name}.training.json", train)

    def stored(self, file: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the document in a file of the folder, made first if it is not there yet."""
        path = self.folder / file
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(make()).encode())
        return dict(json.loads(path.read_text()))

    def missing(self, table: str, labels: dict[str, object]) -> list[int]:
        """Return the seeds without a row with these labels in TABLE.csv."""
        done = {int(row["seed"]) for row in select(read_rows(self.folder / f"{table}.csv"), **labels)}
        return [seed for seed in range(self.episodes) if seed not in done]

    def evaluate(self, table: str, labels: dict[str, object], name: str, task: str, domain: str) -> None:
        """Evaluate NAME.safetensors on the seeds that have no row with these labels in TABLE.csv; append their rows."""
        config = EvalConfig(
            task=task,
            bundle=self.bundle(name),
            episodes=self.episodes,
            seed=0,
            domain=domain,
            workers=self.workers,
            runtime=self.runtime,
        )
        path = self.folder / f"{table}.csv"
        evaluate_missing(config, path, labels, lambda line: print(f"{name} in {domain}, {line}", flush=True))

    def store_curve(self, table: str, labels: dict[str, object], training: dict[str, Any]) -> None:
        """Append the learning curve of a training to TABLE.csv unless it is there."""
        path = self.folder / f"{table}.csv"
        if not select(read_rows(path), **labels):
            append_rows(path, [{**labels, **row} for row in curve_rows(training)])


def curve_rows(training: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the learning curve of behavior cloning or of all rounds of DAgger, a row per validation."""
    for part in training.get("rounds", [{"round": "", "training": training}]):
        for point in part["training"]["curve"]:
            yield {
                "round": part["round"],
                **{name: point[name] for name in ("step", "train_loss", "held_out_loss", "learning_rate", "seconds")},
                **{f"mae_{axis.replace('.', '_')}": error for axis, error in point["mae"].items()},
                "gripper_agreement": point["gripper_agreement"],
            }


def training_summary(training: dict[str, Any]) -> dict[str, Any]:
    """Return a training without its curve and what is of this machine alone."""
    if "rounds" not in training:
        names = ("steps", "seconds", "held_out_loss", "parameters", "data", "bundle_hash")
        return {name: training[name] for name in names}
    return {
        "rounds": [
            {
                **{name: part[name] for name in ("round", "beta", "episodes", "frames", "successes")},
                "stages": " ".join(part["phases"]),
                "training": training_summary(part["training"]),
            }
            for part in training["rounds"]
        ]
    }

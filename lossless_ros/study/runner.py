"""Run a study in a folder: collect, train, evaluate. What is there already is not made again.

The folder holds `demonstrations/TASK/`, for each policy `RUN/TASK_SEED.safetensors` and what its training returned
(`.json`), `curves.csv` with a row per validation, `episodes.csv` with a row per evaluated episode, and `summary.json`.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_table import append_rows, read_rows
from lossless_ros.evaluation.resumable import evaluate_missing
from lossless_ros.evaluation.rollout import EvalConfig
from lossless_ros.files import write_atomically
from lossless_ros.simulation.collect import CollectConfig, collect
from lossless_ros.simulation.episode import episode_name
from lossless_ros.study.config import Study, Training
from lossless_ros.study.summary import summarize
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.checkpoint import checkpoint_path

OnEvent = Callable[[str], object]  # gets a line on what was done


@dataclass(frozen=True)
class StudyFolder:
    """A study and the folder of its results.

    Attributes:
        study: what to run.
        folder: where its results are.
        workers: processes for demonstrations and evaluations; results do not depend on it.
        on_event: gets a line for every training and part of an evaluation.
    """

    study: Study
    folder: Path
    workers: int = 1
    on_event: OnEvent = lambda line: None

    def run(self, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run what is missing of the runs `only`, or of all, and return the summary, which is also written.

        Several processes may run different runs in one folder, once the demonstrations are complete.

        Raises:
            LosslessError: a name or setting cannot be used, or a policy in the folder was trained with other settings.
        """
        trainings = self.study.trainings(only)
        for training in trainings:
            self._check_stored(training)
        for training in trainings:
            self._train(training)
            for domain in self.study.evaluation.domains:
                self._evaluate(training, domain)
            summary = self._write_summary()
        return summary

    def bundle(self, training: Training) -> Path:
        """Return the bundle of a policy."""
        return self.folder / f"{training.name}.safetensors"

    def demonstrations(self, task: str, count: int | None = None) -> list[Path]:
        """Collect the missing demonstrations of a task; return the first `count` seeds' episodes, or all.

        Episodes whose physics diverged are left out.
        """
        wanted = self.study.demonstrations
        out = self.folder / "demonstrations" / task.rpartition("/")[2]
        config = CollectConfig(
            task=task,
            out=out,
            episodes=wanted.episodes,
            seed=wanted.seed,
            domain=wanted.domain,
            expert=wanted.expert,
            expert_noise=wanted.expert_noise,
            gripper_noise=wanted.gripper_noise,
            contract=self.study.contract,
            workers=self.workers,
            max_steps=wanted.max_steps,
        )
        collect(config)
        paths = [out / episode_name(wanted.seed + i) for i in range(wanted.episodes if count is None else count)]
        return [path for path in paths if path.exists()]

    def _train(self, training: Training) -> None:
        path = self._result_path(training)
        if path.exists():
            return
        data = self.demonstrations(training.task, training.run.episodes)
        bundle = self.bundle(training)
        config = TrainConfig(
            data=data,
            out=bundle,
            backbone=training.run.backbone,
            mode=training.run.mode,
            hyperparameters=training.hyperparameters,
            contract=self.study.contract,
            resume=checkpoint_path(bundle).exists(),
        )
        result = train(config)
        append_rows(self.folder / "curves.csv", [training.labels() | _curve_row(point) for point in result["curve"]])
        write_atomically(path, json.dumps(result | {"identity": self._identity(training)}, indent=1).encode())
        self.on_event(f"{training.name}: {result['steps']} steps, held-out loss {result['held_out_loss']:.4f}")

    def _evaluate(self, training: Training, domain: str) -> None:
        """Evaluate a policy on the episodes that have no row yet."""
        wanted = self.study.evaluation
        labels = {**training.labels(), "domain": Path(domain).stem}
        config = EvalConfig(
            task=training.task,
            bundle=self.bundle(training),
            episodes=wanted.episodes,
            seed=wanted.seed,
            allow_training_seeds=wanted.allow_training_seeds,
            domain=domain,
            workers=self.workers,
            runtime=wanted.runtime,
            max_steps=wanted.max_steps,
        )
        name = f"{training.name} in {labels['domain']}"
        evaluate_missing(config, self.folder / "episodes.csv", labels, lambda line: self.on_event(f"{name}, {line}"))

    def _check_stored(self, training: Training) -> None:
        """Check that a policy in the folder, if there is one, is of this study.

        Raises:
            LosslessError: it was trained with other settings.
        """
        path = self._result_path(training)
        if not path.exists():
            return
        stored, wanted = json.loads(path.read_text())["identity"], self._identity(training)
        changed = [key for key in wanted if stored.get(key) != wanted[key]]
        if changed:
            raise LosslessError(
                f"{self.bundle(training)} was trained with another {changed[0]}: {stored.get(changed[0])}, "
                f"not {wanted[changed[0]]}; give another --folder, or remove {path.name} and the rows of this policy"
            )

    def _identity(self, training: Training) -> dict[str, Any]:
        """Return what a policy depends on, as JSON."""
        run = dataclasses.asdict(training.run)
        identity = {
            **{name: run[name] for name in ("mode", "backbone", "episodes")},
            "demonstrations": dataclasses.asdict(self.study.demonstrations),
            "contract": self.study.contract,
            **training.hyperparameters.identity(),
        }
        return dict(json.loads(json.dumps(identity)))

    def _result_path(self, training: Training) -> Path:
        return self.folder / f"{training.name}.json"

    def _write_summary(self) -> dict[str, Any]:
        summary = summarize(read_rows(self.folder / "episodes.csv"), self.study.reference)
        write_atomically(self.folder / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
        return summary


def _curve_row(point: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a point of a learning curve."""
    names = ("step", "train_loss", "held_out_loss", "learning_rate", "seconds", "gripper_agreement")
    errors = {f"mae_{axis.replace('.', '_')}": error for axis, error in point["mae"].items()}
    objects = {f"{name}_mm": (point["object_error_mm"] or {}).get(name) for name in OBJECTS}
    return {**{name: point[name] for name in names if name in point}, **errors, **objects}

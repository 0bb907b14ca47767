"""Run a study in a folder: collect, train, evaluate. What is there already is not made again.

With SUITE/TASK as in `config.task_path`, the folder holds `demonstrations/SUITE/TASK/`, for each policy
`RUN/SUITE/TASK_SEED.safetensors`, its earlier checkpoints (`_stepN`), what its training returned (`.json`) or why it
failed (`.failed.json`), `curves.csv` with a row per validation, `episodes.csv` with a row per evaluated episode, and
what `results` makes of them.
"""

import dataclasses
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
from lossless_ros.study.checks import ROBOT, check_trainings
from lossless_ros.study.claims import ClaimedError, claim
from lossless_ros.study.config import DEMONSTRATIONS, Study, Training, task_path
from lossless_ros.study.estimate import Estimate, Work
from lossless_ros.study.results import write_results
from lossless_ros.study.summary import Policy, summarize
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.train_config import kept_bundle

OnEvent = Callable[[str], object]  # gets a line on what was done
EPISODES = "episodes.csv"
COLLECT, TRAIN, EVALUATE = "episodes to collect", "training steps", "episodes to evaluate"  # kinds of work
_POLL_S = 1.0  # while other processes have all parts that are left


@dataclass(frozen=True)
class StudyFolder:
    """A study and the folder of its results. Several processes may run the same study in one folder.

    Attributes:
        study: what to run.
        folder: where its results are.
        workers: processes for demonstrations and evaluations; results do not depend on it.
        allow_hub: whether weights of backbones may be downloaded.
        on_event: gets a line for every training and part of an evaluation.
    """

    study: Study
    folder: Path
    workers: int = 1
    allow_hub: bool = False
    on_event: OnEvent = lambda line: None

    def run(self, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run what is missing of the runs `only`, or of all, and return the summary, which is also written.

        A policy that fails does not keep others from being made; the summary says which failed. The same call tries
        again.

        Raises:
            LosslessError: something cannot be used, found before anything runs; or a policy in the folder was trained
                with other settings.
        """
        trainings = self.study.trainings(only)
        self._check_columns()
        for training in trainings:
            self._check_stored(training)
        unfinished = {work.name for work in self.work_left(trainings)}
        check_trainings([t for t in trainings if _name(t) in unfinished], self.allow_hub)
        session = _Session(self, trainings)
        pending = trainings
        while pending:
            left = [training for training in pending if not session.attempt(training)]
            if len(left) == len(pending):
                time.sleep(_POLL_S)
            pending = left
        return self.write_summary()

    def bundle(self, training: Training, step: int | None = None) -> Path:
        """Return the bundle of a policy, or that of one of its earlier checkpoints."""
        bundle = self.folder / f"{training.name}.safetensors"
        return bundle if step is None else kept_bundle(bundle, step)

    def write_summary(self) -> dict[str, Any]:
        """Write and return the summary of what is in the folder."""
        trainings = self.study.trainings()
        results = [(training, self.result(training)) for training in trainings]
        policies = [Policy(training, result) for training, result in results if result]
        failed = [{**t.labels(), "error": error} for t in trainings if (error := self.failure(t)) is not None]
        summary = summarize(self.study, policies, read_rows(self.folder / EPISODES)) | {"failed": failed}
        write_results(self.folder, summary)
        return summary

    def result(self, training: Training) -> dict[str, Any]:
        """Return what a training returned; empty if it is not done."""
        path = self._result_path(training)
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def failure(self, training: Training, since: float = 0.0) -> str | None:
        """Return why a policy failed, if it did after `since` [s since the epoch]."""
        try:
            path = self._failure_path(training)
            return str(json.loads(path.read_text())["error"]) if path.stat().st_mtime >= since else None
        except FileNotFoundError:
            return None

    def collect(self, training: Training) -> int:
        """Collect the missing demonstrations of a policy's task; return how many were missing."""
        wanted, out = training.plan.demonstrations, self._demonstrations(training)
        config = CollectConfig(
            task=training.task,
            out=out,
            contract=training.plan.contract,
            workers=self.workers,
            **dataclasses.asdict(wanted),
        )
        with self._claim(f"{DEMONSTRATIONS}/{task_path(training.task)}"):
            missing = self._missing_demonstrations(training)
            collect(config)
        return missing

    def data(self, training: Training) -> list[Path]:
        """Return the episodes that a policy is trained on, without those whose physics diverged."""
        wanted, out = training.plan.demonstrations, self._demonstrations(training)
        count = wanted.episodes if training.run.episodes is None else training.run.episodes
        paths = [out / episode_name(wanted.seed + i) for i in range(count)]
        return [path for path in paths if path.exists()]

    def train(self, training: Training) -> int:
        """Train a policy, unless that is done; return the number of steps."""
        path, run = self._result_path(training), training.run
        with self._claim(training.name):
            if path.exists():
                return 0
            bundle = self.bundle(training)
            config = TrainConfig(
                data=self.data(training),
                out=bundle,
                backbone=run.backbone,
                mode=run.mode,
                hyperparameters=training.hyperparameters,
                contract=training.plan.contract,
                robot=ROBOT,
                resume=checkpoint_path(bundle).exists(),
                weights=run.weights or None,
                allow_hub=self.allow_hub,
                keep_checkpoints=training.plan.evaluation.checkpoints - 1,
            )
            result = train(config)
            append_rows(self.folder / "curves.csv", [training.labels() | _curve_row(p) for p in result["curve"]])
            write_atomically(path, json.dumps(result | {"identity": self._identity(training)}, indent=1).encode())
        self.on_event(f"{training.name}: {result['steps']} steps, held-out loss {result['held_out_loss']:.4f}")
        return int(result["steps"])

    def evaluate(self, training: Training, step: int, domain: str) -> int:
        """Evaluate the policy after a step on the episodes that have no row yet; return how many these were."""
        wanted, last = training.plan.evaluation, self.result(training)["steps"]
        labels = {**training.labels(), "step": step, "domain": Path(domain).stem}
        config = EvalConfig(
            task=training.task,
            bundle=self.bundle(training, None if step == last else step),
            episodes=wanted.episodes,
            seed=wanted.seed,
            allow_training_seeds=wanted.allow_training_seeds,
            domain=domain,
            workers=self.workers,
            runtime=wanted.runtime,
            allow_hub=self.allow_hub,
            max_steps=wanted.max_steps,
        )
        name = f"{training.name} in {labels['domain']}" + ("" if step == last else f" after {step} steps")
        with self._claim(f"{training.name}.{step}.{labels['domain']}"):
            on_part = lambda line: self.on_event(f"{name}, {line}")  # noqa: E731
            return evaluate_missing(config, self.folder / EPISODES, labels, on_part)

    def work_left(self, trainings: list[Training]) -> list[Work]:
        """Return what is left to do for these policies."""
        rows = read_rows(self.folder / EPISODES)
        done: dict[tuple[str, ...], int] = {}  # episodes by labels of the policy
        for row in rows:
            labels = (row["run"], row["task"], row["training_seed"])
            done[labels] = done.get(labels, 0) + 1
        work = []
        untrained = [training for training in trainings if not self._result_path(training).exists()]
        for training in {training.task: training for training in untrained}.values():
            work.append(Work(COLLECT, _name(training), self._missing_demonstrations(training)))
        work += [Work(TRAIN, _name(training), training.hyperparameters.steps) for training in untrained]
        for training in trainings:
            key, wanted = tuple(map(str, training.labels().values())), training.plan.evaluation
            episodes = wanted.episodes * wanted.checkpoints * len(wanted.domains) - done.get(key, 0)
            work.append(Work(EVALUATE, _name(training), episodes))
        return [part for part in work if part.amount > 0]

    def record_failure(self, training: Training, error: Exception) -> str:
        """Write down why a policy failed, and return it as one line."""
        line = str(error) if isinstance(error, LosslessError) else f"{type(error).__name__}: {error}"
        line = " ".join(line.split())
        document = {"error": line, "traceback": "".join(traceback.format_exception(error))}
        write_atomically(self._failure_path(training), json.dumps(document, indent=1).encode())
        return line

    def forget_failure(self, training: Training) -> None:
        self._failure_path(training).unlink(missing_ok=True)

    def _claim(self, part: str) -> Any:
        return claim(self.folder / ".claims" / part)

    def _missing_demonstrations(self, training: Training) -> int:
        return training.plan.demonstrations.episodes - sum(1 for _ in self._demonstrations(training).glob("episode_*"))

    def _check_columns(self) -> None:
        """Refuse a folder of an earlier version.

        Raises:
            LosslessError: its episodes have other columns.
        """
        rows = read_rows(self.folder / EPISODES)
        if rows and "step" not in rows[0]:
            raise LosslessError(f"{self.folder} is of an earlier version of lossless study; give another --folder")

    def _check_stored(self, training: Training) -> None:
        """Check that a policy in the folder, if there is one, is of this study.

        Raises:
            LosslessError: it was trained with other settings.
        """
        result = self.result(training)
        if not result:
            return
        stored, wanted = result["identity"], self._identity(training)
        changed = [key for key in wanted if stored.get(key) != wanted[key]]
        if changed:
            raise LosslessError(
                f"{self.bundle(training)} was trained with another {changed[0]}: {stored.get(changed[0])}, "
                f"not {wanted[changed[0]]}; give another --folder, or remove {self._result_path(training).name} and "
                "the rows of this policy"
            )

    def _identity(self, training: Training) -> dict[str, Any]:
        """Return what a policy depends on, as JSON."""
        run, plan = dataclasses.asdict(training.run), training.plan
        identity = {
            **{name: run[name] for name in ("mode", "backbone", "weights", "episodes")},
            "demonstrations": dataclasses.asdict(plan.demonstrations),
            "contract": plan.contract,
            "checkpoints": plan.evaluation.checkpoints,  # how many were kept
            **training.hyperparameters.identity(),
        }
        return dict(json.loads(json.dumps(identity)))

    def _demonstrations(self, training: Training) -> Path:
        return self.folder / DEMONSTRATIONS / task_path(training.task)

    def _result_path(self, training: Training) -> Path:
        return self.folder / f"{training.name}.json"

    def _failure_path(self, training: Training) -> Path:
        return self.folder / f"{training.name}.failed.json"


class _Session:
    """The work of one process on the policies of a study."""

    def __init__(self, results: StudyFolder, trainings: list[Training]) -> None:
        self._results, self._trainings = results, trainings
        self._started = time.time()
        self._estimate = Estimate()

    def attempt(self, training: Training) -> bool:
        """Make what is missing of a policy; return whether nothing is left that another process works on."""
        results = self._results
        if results.failure(training, self._started) is not None:
            return True
        try:
            complete = self._make(training)
        except ClaimedError:
            return False
        except Exception as error:  # of any part of it; the other policies are still of use
            results.on_event(f"{training.name} failed: {results.record_failure(training, error)}")
            complete = True
        else:
            results.forget_failure(training)
        if complete:
            results.write_summary()
        return complete

    def _make(self, training: Training) -> bool:
        results = self._results
        if not results.result(training):
            self._timed(COLLECT, training, lambda: results.collect(training))
            self._timed(TRAIN, training, lambda: results.train(training))
        curve = results.result(training)["curve"]
        steps = [point["step"] for point in curve][-training.plan.evaluation.checkpoints :]
        complete = True
        for step in reversed(steps):
            for domain in training.plan.evaluation.domains:
                try:
                    self._timed(EVALUATE, training, partial(results.evaluate, training, step, domain))
                except ClaimedError:
                    complete = False
        return complete

    def _timed(self, kind: str, training: Training, work: Callable[[], int]) -> None:
        """Do a part of the work, which returns its amount; note how long it took, and say how much is left."""
        started = time.monotonic()
        if not (amount := work()):
            return
        self._estimate.note(Work(kind, _name(training), amount), time.monotonic() - started)
        if left := self._results.work_left(self._trainings):
            self._results.on_event(f"left: {self._estimate.describe(left)}")


def _name(training: Training) -> str:
    """Return what all training seeds of a run and task have in common, for estimates."""
    return f"{training.run_name} {training.task}"


def _curve_row(point: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a point of a learning curve, those that all suites have."""
    names = ("step", "train_loss", "held_out_loss", "learning_rate", "seconds", "gripper_agreement")
    objects = {f"{name}_mm": (point["object_error_mm"] or {}).get(name) for name in OBJECTS}
    return {**{name: point[name] for name in names if name in point}, **objects}

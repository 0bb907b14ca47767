"""A study: which policies are trained on which demonstrations, and where they are evaluated."""

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossless_ros import defaults
from lossless_ros.contract.config import from_mapping, load_yaml
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.backbones import find_entry
from lossless_ros.paths import find_config
from lossless_ros.simulation.env import find_suite, given_or_of_suite
from lossless_ros.training.hyperparameters import MODES, Hyperparameters, load_hyperparameters

DEMONSTRATIONS = "demonstrations"  # their folder in that of a study, so no run has this name


@dataclass(frozen=True)
class Demonstrations:
    """Demonstrations of an expert, collected for each task; auto, null and 0 steps mean what the task's suite says."""

    episodes: int
    seed: int  # of the first episode
    domain: str = defaults.AUTO
    expert: str = defaults.AUTO
    expert_noise: float | None = None  # disturbs what the expert does; the recorded actions stay clean
    gripper_noise: float | None = None  # inversions of the executed gripper command per second
    max_steps: int = 0  # longest episode [control periods]


@dataclass(frozen=True)
class Evaluation:
    """The episodes that every policy is evaluated on, in each domain; auto and 0 steps mean what the suite says."""

    domains: tuple[str, ...] = (defaults.AUTO,)
    episodes: int = 100
    seed: int = 0  # of the first episode
    allow_training_seeds: bool = False  # whether demonstrations may be among the episodes
    runtime: str = "torch"
    max_steps: int = 0  # longest episode [control periods]
    checkpoints: int = 1  # how many of the last validations' policies are evaluated, the trained policy included

    def __post_init__(self) -> None:
        if self.checkpoints < 1 or not self.domains:
            raise ValueError("expected at least one checkpoint and domain")


@dataclass(frozen=True)
class Run:
    """A row of the table: one way of training, with several tasks and training seeds."""

    mode: str
    tasks: tuple[str, ...] = ()  # none: all tasks of the study
    seeds: tuple[int, ...] = ()  # training seeds; none: those of the study
    backbone: str = defaults.BACKBONE
    weights: str = ""  # local file with the backbone's weights, as `lossless train --weights`; empty: its own source
    episodes: int | None = None  # demonstrations used, the first ones; None: all
    settings: dict[str, Any] = field(default_factory=dict)  # training settings that differ from the study's
    reference: str = ""  # the run that it is compared with; empty: that of the study

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is '{self.mode}', expected one of {', '.join(MODES)}")


@dataclass(frozen=True)
class SuiteSettings:
    """What differs for the tasks of one suite."""

    training: str | None = None
    contract: str | None = None
    demonstrations: dict[str, Any] = field(default_factory=dict)  # the keys that differ
    evaluation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskPlan:
    """What a study does with one task; all values are given, none is auto."""

    task: str
    training: str
    contract: str
    demonstrations: Demonstrations
    evaluation: Evaluation


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes:
        tasks: suite/name of each task.
        seeds: training seeds.
        demonstrations: collected for each task.
        evaluation: of each policy.
        runs: rows of the table, by name.
        training: settings of every training: a name of config/training or a YAML file.
        contract: of demonstrations and policies: a name of config/contracts or a YAML file; auto: the suite's.
        reference: the run that the others are compared with, on the same episodes; empty: none.
        suites: what differs for the tasks of a suite, by its name.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    demonstrations: Demonstrations
    evaluation: Evaluation
    runs: dict[str, Run]
    training: str = "default"
    contract: str = defaults.AUTO
    reference: str = ""
    suites: dict[str, SuiteSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.runs or not self.tasks or not self.seeds:
            raise ValueError("expected at least one run, task and seed")
        for name in self.runs:
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name == DEMONSTRATIONS:
                raise ValueError(
                    f"run '{name}' names a folder: expected letters, digits, _, - and .; no {DEMONSTRATIONS}"
                )
        for reference in (self.reference, *(run.reference for run in self.runs.values())):
            if reference and reference not in self.runs:
                raise ValueError(f"reference is '{reference}', expected one of {', '.join(self.runs)}")
        used = dict.fromkeys(suite_name(task) for task in self.all_tasks)
        for name in self.suites:
            if name not in used:
                raise ValueError(f"suites has '{name}', the tasks are of {', '.join(used)}")

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """The tasks of all runs."""
        return tuple(dict.fromkeys(task for run in self.runs.values() for task in run.tasks or self.tasks))

    def reference_of(self, run: str) -> str:
        """Return the run that a run is compared with; empty: none."""
        reference = self.runs[run].reference or self.reference
        return reference if reference != run else ""

    def plan(self, task: str) -> TaskPlan:
        """Return what is done with a task, with the values of its suite in place of auto.

        Raises:
            LosslessError: unknown task, a wrong value under `suites`, or an evaluation of demonstrations.
        """
        suite, differs = find_suite(task), self.suites.get(suite_name(task), SuiteSettings())

        def merged(name: str) -> Any:
            values, changes = getattr(self, name), getattr(differs, name)
            given = {**dataclasses.asdict(values), **changes}
            return from_mapping(type(values), given, f"suites.{suite_name(task)}: {name}")

        shown, tested = merged("demonstrations"), merged("evaluation")
        names = ("domain", "expert", "expert_noise", "gripper_noise")
        values = {name: given_or_of_suite(getattr(shown, name), getattr(suite, name)) for name in names}
        domains = tuple(dict.fromkeys(given_or_of_suite(domain, suite.domain) for domain in tested.domains))
        plan = TaskPlan(
            task=task,
            training=differs.training or self.training,
            contract=given_or_of_suite(differs.contract or self.contract, suite.contract),
            demonstrations=dataclasses.replace(shown, max_steps=shown.max_steps or suite.max_steps, **values),
            evaluation=dataclasses.replace(tested, max_steps=tested.max_steps or suite.max_steps, domains=domains),
        )
        _check_seeds(plan)
        return plan

    def trainings(self, only: tuple[str, ...] = ()) -> list["Training"]:
        """Return the policies to train, those of the runs `only`, or of all.

        Raises:
            LosslessError: no such run, task or backbone, or settings that cannot be used.
        """
        for name in only:
            if name not in self.runs:
                raise unknown("run", name, self.runs)
        chosen = {name: run for name, run in self.runs.items() if not only or name in only}
        plans = {task: self.plan(task) for run in chosen.values() for task in run.tasks or self.tasks}
        bases = {name: load_hyperparameters(name) for name in {plan.training for plan in plans.values()}}
        for run in chosen.values():
            find_entry(run.backbone)
        return [
            _training(name, run, plans[task], seed, bases[plans[task].training])
            for name, run in chosen.items()
            for task in run.tasks or self.tasks
            for seed in run.seeds or self.seeds
        ]


@dataclass(frozen=True)
class Training:
    """One policy of a study."""

    run_name: str
    seed: int
    run: Run
    plan: TaskPlan
    hyperparameters: Hyperparameters

    @property
    def task(self) -> str:
        return self.plan.task

    @property
    def name(self) -> str:
        """Its path in the study's folder, without a suffix."""
        return f"{self.run_name}/{task_path(self.task)}_{self.seed}"

    def labels(self) -> dict[str, Any]:
        """Return the columns that tell its rows from those of other policies."""
        return {"run": self.run_name, "task": self.task, "training_seed": self.seed}


def suite_name(task: str) -> str:
    """Return the name of a task's suite."""
    return task.partition("/")[0]


def task_path(task: str) -> str:
    """Return a task's name as a path of two parts that file systems take: `metaworld/hammer@left_cap2`."""
    return task.replace(":", "@")


def load_study(name: str) -> Study:
    """Load a name of config/studies or a YAML file.

    Raises:
        LosslessError: no such study, or its file is invalid.
    """
    path = find_config("studies", name)
    study = from_mapping(Study, load_yaml(path), str(path))
    study.trainings()  # checks the names and settings of every run
    return study


def _training(name: str, run: Run, plan: TaskPlan, seed: int, base: Hyperparameters) -> Training:
    given = {**dataclasses.asdict(base), **run.settings, "seed": seed}
    settings = from_mapping(Hyperparameters, given, f"run {name}: settings")
    if plan.evaluation.checkpoints > settings.num_validations:
        raise LosslessError(
            f"run {name}: evaluation.checkpoints is {plan.evaluation.checkpoints}, expected at most num_validations, "
            f"which is {settings.num_validations}"
        )
    return Training(name, seed, run, plan, settings)


def _check_seeds(plan: TaskPlan) -> None:
    """Refuse an evaluation of demonstrations, before any of them is collected."""
    trained, evaluated = plan.demonstrations, plan.evaluation
    common = range(
        max(trained.seed, evaluated.seed),
        min(trained.seed + trained.episodes, evaluated.seed + evaluated.episodes),
    )
    same_domain = Path(trained.domain).stem in [Path(domain).stem for domain in evaluated.domains]
    if common and same_domain and not evaluated.allow_training_seeds:
        raise LosslessError(
            f"{plan.task}: evaluation has the seeds {common[0]} to {common[-1]} of the demonstrations in "
            f"{trained.domain}; choose another evaluation.seed, or set evaluation.allow_training_seeds"
        )

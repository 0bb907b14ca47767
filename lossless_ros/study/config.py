"""A study: which policies are trained on which demonstrations, and where they are evaluated."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossless_ros import defaults
from lossless_ros.contract.config import from_mapping, load_yaml
from lossless_ros.errors import unknown
from lossless_ros.paths import find_config
from lossless_ros.training.hyperparameters import MODES, Hyperparameters, load_hyperparameters


@dataclass(frozen=True)
class Demonstrations:
    """Demonstrations of an expert, collected for each task."""

    episodes: int
    seed: int  # of the first episode
    domain: str = "randomized"
    expert: str = "reactive"
    expert_noise: float = 0.0  # disturbs what the expert does; the recorded actions stay clean
    gripper_noise: float = 0.0  # inversions of the executed gripper command per second
    max_steps: int = defaults.MAX_STEPS  # longest episode [control periods]


@dataclass(frozen=True)
class Evaluation:
    """The episodes that every policy is evaluated on, in each domain."""

    domains: tuple[str, ...]
    episodes: int = 100
    seed: int = 0  # of the first episode
    allow_training_seeds: bool = False  # whether demonstrations may be among the episodes
    runtime: str = "torch"
    max_steps: int = defaults.MAX_STEPS  # longest episode [control periods]


@dataclass(frozen=True)
class Run:
    """A row of the table: one way of training, with several tasks and training seeds."""

    mode: str
    tasks: tuple[str, ...] = ()  # none: all tasks of the study
    seeds: tuple[int, ...] = ()  # training seeds; none: those of the study
    backbone: str = defaults.BACKBONE
    episodes: int | None = None  # demonstrations used, the first ones; None: all
    settings: dict[str, Any] = field(default_factory=dict)  # training settings that differ from the study's

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode is '{self.mode}', expected one of {', '.join(MODES)}")


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
        contract: of demonstrations and policies: a name of config/contracts or a YAML file.
        reference: the run that the others are compared with, on the same episodes; empty: none.
    """

    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    demonstrations: Demonstrations
    evaluation: Evaluation
    runs: dict[str, Run]
    training: str = "default"
    contract: str = defaults.CONTRACT
    reference: str = ""

    def __post_init__(self) -> None:
        if self.reference and self.reference not in self.runs:
            raise ValueError(f"reference is '{self.reference}', expected one of {', '.join(self.runs)}")
        if not self.runs or not self.tasks or not self.seeds:
            raise ValueError("expected at least one run, task and seed")
        self._check_seeds()

    def _check_seeds(self) -> None:
        """Refuse an evaluation of demonstrations, before any of them is collected."""
        trained, evaluated = self.demonstrations, self.evaluation
        common = range(
            max(trained.seed, evaluated.seed),
            min(trained.seed + trained.episodes, evaluated.seed + evaluated.episodes),
        )
        same_domain = Path(trained.domain).stem in [Path(domain).stem for domain in evaluated.domains]
        if common and same_domain and not evaluated.allow_training_seeds:
            raise ValueError(
                f"evaluation has the seeds {common[0]} to {common[-1]} of the demonstrations in {trained.domain}; "
                "choose another evaluation.seed, or set evaluation.allow_training_seeds"
            )

    def trainings(self, only: tuple[str, ...] = ()) -> list["Training"]:
        """Return the policies to train, those of the runs `only`, or of all.

        Raises:
            LosslessError: no such run, or settings that cannot be used.
        """
        for name in only:
            if name not in self.runs:
                raise unknown("run", name, self.runs)
        chosen = {name: run for name, run in self.runs.items() if not only or name in only}
        return [
            Training(name, task, seed, run, self._hyperparameters(name, run, seed))
            for name, run in chosen.items()
            for task in run.tasks or self.tasks
            for seed in run.seeds or self.seeds
        ]

    def _hyperparameters(self, name: str, run: Run, seed: int) -> Hyperparameters:
        base = dataclasses.asdict(load_hyperparameters(self.training))
        return from_mapping(Hyperparameters, {**base, **run.settings, "seed": seed}, f"run {name}: settings")


@dataclass(frozen=True)
class Training:
    """One policy of a study."""

    run_name: str
    task: str
    seed: int
    run: Run
    hyperparameters: Hyperparameters

    @property
    def name(self) -> str:
        """Its path in the study's folder, without a suffix."""
        return f"{self.run_name}/{self.task.rpartition('/')[2]}_{self.seed}"

    def labels(self) -> dict[str, Any]:
        """Return the columns that tell its rows from those of other policies."""
        return {"run": self.run_name, "task": self.task, "training_seed": self.seed}


def load_study(name: str) -> Study:
    """Load a name of config/studies or a YAML file.

    Raises:
        LosslessError: no such study, or its file is invalid.
    """
    path = find_config("studies", name)
    study = from_mapping(Study, load_yaml(path), str(path))
    study.trainings()  # checks the settings of every run
    return study

"""DAgger (Ross et al. 2011): the student acts, the expert labels its episodes, and they join the training data."""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros import defaults
from lossless_ros.contract.config import rename_keys
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically
from lossless_ros.models.bundle import Bundle, read_bundle
from lossless_ros.progress import EpisodeProgress
from lossless_ros.simulation.env import check_world, find_suite, given_or_of_suite
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.dagger_rollouts import RolloutConfig, collect_rollouts
from lossless_ros.training.hyperparameters import ADDED, RENAMED, STORED, Hyperparameters, load_hyperparameters
from lossless_ros.training.loop import OnProgress
from lossless_ros.training.train_config import Paths, TrainConfig, as_paths, check_out


@dataclass(frozen=True)
class DaggerConfig:
    """Rounds of DAgger. The result does not depend on interruptions or the number of workers.

    Attributes:
        bundle: the student to start with.
        data: folder with its demonstrations (rosbag2 folders), or several of them.
        folder: folder for the episodes and bundles of the rounds; the same job continues in it.
        out: the bundle to write (.safetensors), that of the last round.
        rounds: number of rounds; not part of what must match when a folder is continued.
        hyperparameters: of each round's training: a name of config/training, a YAML file, or the hyperparameters.
        episodes: episodes per round.
        domain: where the student acts: a name of config/domains or a YAML file; auto: that of the task's suite.
        expert: who labels: scripted, reactive or specialist:PATH; auto: that of the task's suite.
        beta: probability that the expert acts in the first round; its square in the second round, and so on.
        seed: seed of the first episode.
        from_scratch: train each round from new weights instead of the previous student's.
        workers: processes for the rollouts.
        runtime: inference runtime of the student.
    """

    bundle: str | Path
    data: Paths
    folder: str | Path
    out: str | Path
    rounds: int = 3
    hyperparameters: str | Hyperparameters = defaults.SETTINGS
    episodes: int = 20
    domain: str = defaults.AUTO
    expert: str = defaults.AUTO
    beta: float = 0.5
    seed: int = 100_000
    from_scratch: bool = False
    workers: int = 1
    runtime: str = "torch"

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise LosslessError(f"beta is {self.beta}, expected 0 or more and less than 1")
        if self.episodes < 1 or self.seed < 0:
            raise LosslessError(f"episodes is {self.episodes} and seed {self.seed}, expected at least 1 and 0")
        if self.rounds < 1:
            raise LosslessError(f"rounds is {self.rounds}, expected at least 1")

    def student_after(self, number: int) -> Path:
        """Return the bundle after round `number`; 0 is the student to start with."""
        return Path(self.bundle) if number == 0 else Path(self.folder) / f"round_{number:02d}.safetensors"

    def episodes_of(self, number: int) -> Path:
        """Return the folder with the episodes of round `number`."""
        return Path(self.folder) / f"round_{number:02d}"

    def seeds_of(self, number: int) -> list[int]:
        """Return the seeds of the episodes of round `number`."""
        first = self.seed + self.episodes * (number - 1)
        return list(range(first, first + self.episodes))


def dagger(config: DaggerConfig, on_progress: OnProgress = lambda done, total, note: None) -> dict[str, Any]:
    """Run the rounds and copy the last bundle to `out`; rounds and episodes that are done are kept.

    A round collects labeled episodes and trains on all data so far. The held-out episodes stay those of the first
    training, which are demonstrations.

    Returns:
        JSON-serializable: bundle, task, mode, rounds (each with its episodes, successes, frames and training), plan.

    Raises:
        LosslessError: bundle, data, expert or folder cannot be used, or the folder is of a job with other settings.
    """
    student = read_bundle(Path(config.bundle))
    check_out(Path(config.out))
    demonstrations = find_episodes(as_paths(config.data))
    suite = find_suite(student.task)
    domain = given_or_of_suite(config.domain, suite.domain)
    expert = given_or_of_suite(config.expert, suite.expert)
    check_world(student.task, domain, expert)
    hyperparameters = load_hyperparameters(config.hyperparameters)
    config = dataclasses.replace(config, domain=domain, expert=expert, hyperparameters=hyperparameters)
    _claim_folder(config, student.hash)
    data = demonstrations
    rounds = []
    for number in range(1, config.rounds + 1):
        report = _prefixed(on_progress, f"round {number} of {config.rounds}: ")
        rollouts = _rollouts(config, number, student)
        seeds = config.seeds_of(number)
        shown = EpisodeProgress(report, len(seeds), suite.max_steps)
        infos = collect_rollouts(rollouts, seeds, config.workers, shown.on_episode, shown.on_steps)
        data = find_episodes([config.episodes_of(number)]) + data
        training = _train_round(config, number, data, report)
        rounds.append(
            {
                "round": number,
                "beta": rollouts.beta,
                "episodes": len(infos),
                "unstable": len(seeds) - len(infos),  # their physics diverged
                "frames": sum(info["steps"] for info in infos),
                "successes": sum(info["success"] for info in infos),
                "phases": [info["phase"] for info in infos],
                "training": training,
            }
        )
    shutil.copyfile(config.student_after(config.rounds), config.out)
    names = {"bundle": str(config.out), "task": student.task, "mode": student.mode}
    return {**names, "rounds": rounds, "plan": _plan(config)}


def _prefixed(on_progress: OnProgress, prefix: str) -> OnProgress:
    return lambda done, total, note: on_progress(done, total, f"{prefix}{note}")


def _rollouts(config: DaggerConfig, number: int, first_student: Bundle) -> RolloutConfig:
    """Return the rollouts of round `number`."""
    student = config.student_after(number - 1)
    return RolloutConfig(
        student=student,
        student_hash=read_bundle(student).hash,
        task=first_student.task,
        domain=config.domain,
        expert=config.expert,
        beta=config.beta**number,
        out=config.episodes_of(number),
        contract=first_student.contract,
        runtime=config.runtime,
    )


def _train_round(config: DaggerConfig, number: int, data: list[Path], on_progress: OnProgress) -> dict[str, Any]:
    """Return the result of the training of round `number`, from its file if it is done."""
    before, after = config.student_after(number - 1), config.student_after(number)
    result_file = after.with_suffix(".json")
    if not (after.exists() and result_file.exists()):
        student = read_bundle(before)
        job = TrainConfig(
            data=data,
            out=after,
            backbone=student.backbone,
            mode=student.mode,
            hyperparameters=config.hyperparameters,
            contract=student.contract,
            resume=checkpoint_path(after).exists(),
            init_from=None if config.from_scratch else before,
        )
        result = train(job, on_progress)
        write_atomically(result_file, json.dumps(result, indent=1).encode())
    return dict(json.loads(result_file.read_text()))


def _claim_folder(config: DaggerConfig, student_hash: str) -> None:
    """Write the job's plan into its folder, or check that the plan there is the same.

    Raises:
        LosslessError: the folder is of a job with other settings, or its plan is damaged.
    """
    path = Path(config.folder) / "plan.json"
    plan = {**_plan(config), "student": student_hash}
    if not path.exists():
        write_atomically(path, json.dumps(plan, indent=1).encode())
        return
    try:
        existing = dict(json.loads(path.read_text()))
        renamed = rename_keys(existing.get("config", {}), RENAMED, str(path))  # version 0.1.0 had other keys
    except (ValueError, AttributeError, TypeError):
        raise LosslessError(f"{path} is damaged; remove it if the folder is of this job") from None
    existing["config"] = {**ADDED, **STORED, **renamed}
    changed = [key for key in plan if plan[key] != existing.get(key)]
    if changed:
        raise LosslessError(f"{config.folder} was started with different {changed[0]}; give another --folder")


def _plan(config: DaggerConfig) -> dict[str, Any]:
    """Return, as JSON, the settings that must match when a folder is continued."""
    assert isinstance(config.hyperparameters, Hyperparameters)
    plan = {
        "bundle": str(config.bundle),
        "data": [str(path) for path in as_paths(config.data)],
        "folder": str(config.folder),
        "config": dataclasses.asdict(config.hyperparameters),
        "episodes": config.episodes,
        "domain": config.domain,
        "expert": config.expert,
        "beta": config.beta,
        "seed": config.seed,
        "from_scratch": config.from_scratch,
    }
    return dict(json.loads(json.dumps(plan)))

"""DAgger (Ross et al. 2011): the student's own episodes, labelled by the expert, join the data it is trained on."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.episodes.reader import find_episodes
from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically
from lossless_ros.models.bundle import read_bundle
from lossless_ros.training.behavior_cloning import check_out, train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.dagger_rollouts import RolloutConfig, roll_out
from lossless_ros.training.hyperparameters import Hyperparameters

OnProgress = Callable[[int, int, str], object]  # done, total, a note


@dataclass(frozen=True)
class DaggerConfig:
    """Rounds of DAgger; what has to stay the same when a folder is gone on with."""

    bundle: Path  # the student to begin with
    data: tuple[Path, ...]  # its demonstrations
    folder: Path  # everything that the rounds make
    config: Hyperparameters  # of each round's training
    episodes: int = 20  # of each round
    domain: str = "randomized"
    expert: str = "scripted"
    beta: float = 0.5  # the expert drives in this share of the first round, its square of the second, and so on
    seed: int = 100_000  # of the first episode
    from_scratch: bool = False  # train each round anew, not on from the student before

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise LosslessError(f"beta is {self.beta}, expected 0 or more and less than 1")
        if self.episodes < 1 or self.seed < 0:
            raise LosslessError(f"episodes is {self.episodes} and seed {self.seed}, expected at least 1 and 0")

    def bundle_after(self, number: int) -> Path:
        """The student after round `number`; 0 is the one to begin with."""
        return self.bundle if number == 0 else self.folder / f"round_{number:02d}.safetensors"

    def episodes_of(self, number: int) -> Path:
        """Folder with the episodes of round `number`."""
        return self.folder / f"round_{number:02d}"


def dagger(
    plan: DaggerConfig,
    rounds: int,
    out: Path,
    workers: int = 1,
    runtime: str = "torch",
    on_progress: OnProgress = lambda done, total, note: None,
) -> dict[str, Any]:
    """Do `rounds` rounds in the plan's folder and copy the last bundle to `out`; what is done already is kept.

    A round collects episodes, labels them and trains on all data so far. The held-out episodes stay those of the first
    training, demonstrations.

    Returns:
        JSON-able: bundle, rounds (each with its episodes, successes, frames and training), and the plan.

    Raises:
        LosslessError: bundle, data, expert or folder cannot be used, or the folder is of another plan.
    """
    if rounds < 1:
        raise LosslessError(f"rounds is {rounds}, expected at least 1")
    student = read_bundle(plan.bundle)
    check_out(out)
    demonstrations = find_episodes(list(plan.data))
    _check_world(plan, student.task)
    _claim(plan, student.hash)
    collected: list[Path] = []
    results = []
    for number in range(1, rounds + 1):
        before, after = plan.bundle_after(number - 1), plan.bundle_after(number)
        seeds = [plan.seed + plan.episodes * (number - 1) + i for i in range(plan.episodes)]
        rollouts = RolloutConfig(
            *(before, read_bundle(before).hash, student.task, plan.domain, plan.expert, plan.beta**number),
            *(plan.episodes_of(number), student.contract, runtime),
        )

        def tell(done: int, total: int, note: str, number: int = number) -> None:
            on_progress(done, total, f"round {number} of {rounds}: {note}")

        infos = roll_out(rollouts, seeds, workers, lambda info: tell(0, 100, f"episode {info['seed']}"))  # noqa: B023
        collected = find_episodes([plan.episodes_of(number)]) + collected
        training = _train(plan, before, after, [*collected, *demonstrations], tell)
        results.append(
            {
                "round": number,
                "beta": rollouts.beta,
                "episodes": len(infos),
                "unstable": len(seeds) - len(infos),  # left out: their simulation was lost
                "frames": sum(info["steps"] for info in infos),
                "successes": sum(info["success"] for info in infos),
                "phases": [info["phase"] for info in infos],
                "training": training,
            }
        )
    shutil.copyfile(plan.bundle_after(rounds), out)
    return {"bundle": str(out), "task": student.task, "mode": student.mode, "rounds": results, "plan": _as_json(plan)}


def _train(plan: DaggerConfig, before: Path, after: Path, data: list[Path], on_progress: OnProgress) -> dict[str, Any]:
    """The training of a round, read from its file if it is done."""
    record = after.with_suffix(".json")
    if not (after.exists() and record.exists()):
        student = read_bundle(before)
        resume = checkpoint_path(after).exists()
        begin = None if plan.from_scratch else before
        parts = (data, student.backbone, student.mode, after, plan.config, student.contract, resume, on_progress)
        result = train(*parts, begin=begin)
        write_atomically(record, json.dumps(result, indent=1).encode())
    return dict(json.loads(record.read_text()))


def _check_world(plan: DaggerConfig, task: str) -> None:
    """Unknown tasks, domains and experts are told before any process starts (SimError)."""
    from lossless_sim.experts import make_expert

    from lossless_ros.evaluation.rollout import check_world

    make_expert(plan.expert, task, 0)
    check_world(task, plan.domain)


def _claim(plan: DaggerConfig, student: str) -> None:
    """Write the plan into its folder, or find it there unchanged."""
    path = plan.folder / "plan.json"
    ours = {**_as_json(plan), "student": student}
    if not path.exists():
        write_atomically(path, json.dumps(ours, indent=1).encode())
        return
    try:
        theirs = dict(json.loads(path.read_text()))
    except ValueError:
        raise LosslessError(f"{path} is damaged; remove it if the folder is of this plan") from None
    changed = [key for key in ours if ours[key] != theirs.get(key)]
    if changed:
        raise LosslessError(f"{plan.folder} was begun with another {changed[0]}; give another --folder")


def _as_json(plan: DaggerConfig) -> dict[str, Any]:
    document = {**dataclasses.asdict(plan), "data": [str(p) for p in plan.data]}
    document |= {"bundle": str(plan.bundle), "folder": str(plan.folder)}
    return dict(json.loads(json.dumps(document)))

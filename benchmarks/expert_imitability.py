"""Which expert can be imitated? A student that sees true object poses is trained on the demonstrations of each.

    python -m benchmarks.expert_imitability --folder work --tasks triplet5 triplet1 --demonstrations 400 --num-modes 0 5

Per expert and task: demonstrations in `randomized`, behavior cloning of students with the action head of policies (a
point, or a mixture of so many modes), then fifty episodes of each in `lab`. Like a policy, the student sees only the
present. What an image policy lacks in comparison is perception; what the student itself lacks cannot be seen in the
expert's actions. Writes expert_imitability.csv (a row per episode) and expert_imitability.json into the folder. The
same command resumes.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import read_summary, write_summary
from benchmarks.student import Student, privileged_state, train_student
from lossless_ros.contract import load_contract
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.evaluation.episode_table import append_rows, episode_row, read_rows, select, totals
from lossless_ros.models.network import to_action
from lossless_ros.models.temporal_ensemble import TemporalEnsemble
from lossless_ros.simulation.env import Info, Observation, make_expert, make_noise, make_simulator
from lossless_ros.simulation.episode import STEPS_AFTER_SUCCESS, EpisodeEnd, run_episode
from lossless_ros.simulation.process_pool import run_parallel

EXPERTS = ("scripted", "reactive")
TASKS = ("triplet1", "triplet2", "triplet3", "triplet4", "triplet5")
TRAIN_DOMAIN, EVAL_DOMAIN = "randomized", "lab"
FIRST_SEED, EXPERT_NOISE = 50_000, 0.3  # of the demonstrations
CONTRACT = "rgb_stacking"
TABLE = "expert_imitability"


class Demonstrator:
    """Records what an expert does, with privileged states in place of images."""

    def __init__(self, expert: str, task: str, folder: Path) -> None:
        torch.set_num_threads(1)
        self._expert, self._task, self._folder = expert, f"rgb_stacking/{task}", folder
        self._env = make_simulator(self._task, TRAIN_DOMAIN, load_contract(CONTRACT), images=False)

    def __call__(self, seed: int) -> Path:
        """Return the file of an episode: states, actions, and whether it succeeded."""
        path = self._folder / f"{seed}.npz"
        if path.exists():
            return path
        expert, noise = make_expert(self._expert, self._task, seed), make_noise(self._task, EXPERT_NOISE, seed)
        states, actions = [], []

        def choose(step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]:
            action = expert.act(observation, info)
            states.append(privileged_state(observation, info))
            actions.append(action)
            return action, noise(action)

        result = run_episode(self._env, seed, choose, EpisodeEnd(after_success=STEPS_AFTER_SUCCESS))
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, states=np.stack(states), actions=np.stack(actions), success=result["success"])
        part.rename(path)
        return path


class Evaluator:
    """Runs a trained student."""

    def __init__(self, task: str, num_modes: int, weights: Path) -> None:
        torch.set_num_threads(1)
        self._contract = load_contract(CONTRACT)
        self._task = f"rgb_stacking/{task}"
        self._env = make_simulator(self._task, EVAL_DOMAIN, self._contract, images=False)
        tensors = torch.load(weights, weights_only=True)
        self._student = Student(len(tensors["mean"]), self._contract.action.dim, num_modes)
        self._student.load_state_dict(tensors)
        self._student.eval()

    def __call__(self, seed: int) -> dict[str, Any]:
        """Return the result of an episode."""
        period_ns = self._contract.period_ns
        ensemble, result = TemporalEnsemble(period_ns), EpisodeResult(self._task, seed, period_ns / 1e9)

        def choose(step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]:
            with torch.inference_mode():
                normalized = self._student.act(torch.from_numpy(privileged_state(observation, info))[None])
                chunk = to_action(normalized, self._contract)[0].numpy()
            action = ensemble(step * period_ns, chunk)
            return action, action

        run_episode(self._env, seed, choose, EpisodeEnd(), on_step=result.update)
        return result.document()


@dataclass(frozen=True)
class Imitability:
    """Where demonstrations, students and results are, and how many."""

    folder: Path
    demonstrations: int
    episodes: int
    workers: int

    def run(self, expert: str, task: str, num_modes: int) -> None:
        """Collect, train and evaluate as far as that is missing, and add the student to the summary."""
        student = {"expert": expert, "task": task, "num_modes": str(num_modes)}
        rows = select(read_rows(self.folder / f"{TABLE}.csv"), **student)
        done = {int(row["seed"]) for row in rows}
        missing = [seed for seed in range(self.episodes) if seed not in done]
        if not missing:
            return
        seeds = [FIRST_SEED + i for i in range(self.demonstrations)]
        folder = self.folder / f"{expert}_{task}"
        folder.mkdir(exist_ok=True)
        paths = sorted(run_parallel(partial(Demonstrator, expert, task, folder), seeds, self.workers))
        demonstrations = [episode for episode in map(_load, paths) if episode["success"]]
        weights = self.folder / f"{expert}_{task}_{num_modes}.pt"
        if not weights.exists():
            trained = train_student(demonstrations, load_contract(CONTRACT), num_modes)
            part = weights.with_suffix(".part")
            torch.save(trained.state_dict(), part)
            part.rename(weights)
        for result in run_parallel(partial(Evaluator, task, num_modes, weights), missing, self.workers):
            append_rows(self.folder / f"{TABLE}.csv", [{**student, **episode_row(result)}])
        self.write(student, demonstrations)

    def write(self, student: dict[str, str], demonstrations: list[dict[str, np.ndarray]]) -> None:
        """Add a student to the summary."""
        path = self.folder / f"{TABLE}.json"
        summary = {
            "demonstrations": {
                "first_seed": FIRST_SEED,
                "episodes": self.demonstrations,
                "successes": len(demonstrations),
                "frames": sum(len(episode["actions"]) for episode in demonstrations),
            },
            "result": totals(select(read_rows(self.folder / f"{TABLE}.csv"), **student)),
        }
        document = {
            "train_domain": TRAIN_DOMAIN,
            "expert_noise": EXPERT_NOISE,
            "eval_domain": EVAL_DOMAIN,
            "students": {**read_summary(path).get("students", {}), "/".join(student.values()): summary},
        }
        write_summary(path, document, ("students",))


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for demonstrations, students and results")
    parser.add_argument("--experts", nargs="+", choices=EXPERTS, default=list(EXPERTS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["triplet5"])
    parser.add_argument("--num-modes", nargs="+", type=int, default=[0], help="of the students; 0: squared errors")
    parser.add_argument("--demonstrations", type=int, default=120, help="of each expert")
    parser.add_argument("--episodes", type=int, default=50, help="of each student, seeds from 0")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    imitability = Imitability(options.folder, options.demonstrations, options.episodes, options.workers)
    for task in options.tasks:
        for expert in options.experts:
            for num_modes in options.num_modes:
                imitability.run(expert, task, num_modes)


if __name__ == "__main__":
    main()

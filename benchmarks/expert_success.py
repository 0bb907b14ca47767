"""How often do experts succeed? The project's experts, and the released specialists, on a list of tasks.

    python -m benchmarks.expert_success --folder work --expert scripted --episodes 200
    python -m benchmarks.expert_success --folder work --expert reactive --domain randomized --noise 0.3
    python -m benchmarks.expert_success --folder work --specialists WEIGHTS --tasks triplet1 triplet4
    python -m benchmarks.expert_success --folder work --tasks metaworld/hammer:top_cap2 --episodes 50

Writes expert_success.csv into the folder, a row per evaluation of at most 20 episodes. The same command resumes. The
released specialists show whether the simulator is faithful: they must stack here as often as where they were trained.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import interval
from lossless_ros.evaluation.episode_table import append_rows, read_rows, select
from lossless_ros.evaluation.rollout import EvalConfig, evaluate

TASKS = ("triplet1", "triplet2", "triplet3", "triplet4", "triplet5", "train", "heldout")
SPECIALIST = "specialist"
PART = 20  # episodes per row


@dataclass(frozen=True)
class ExpertSuccess:
    """An expert in a domain, and the file with its results."""

    path: Path
    expert: str
    domain: str
    weights: Path | None = None  # folder with TASK.npz for the released specialists
    workers: int = 1
    noise: float = 0.0
    first_seed: int = 0

    def run(self, task: str, episodes: int) -> None:
        """Evaluate the seeds from `first_seed` that are missing, and print the rate."""
        end = self.first_seed + episodes
        for seed in range(self.first_seed + self._totals(task)[0], end, PART):
            config = EvalConfig(
                task=task if "/" in task else f"rgb_stacking/{task}",
                expert=f"{SPECIALIST}:{self.weights / f'{task}.npz'}" if self.weights else self.expert,
                episodes=min(PART, end - seed),
                seed=seed,
                domain=self.domain,
                workers=self.workers,
                expert_noise=self.noise,
            )
            result = evaluate(config)
            row = {
                "expert": self.expert,
                "domain": self.domain,
                "noise": self.noise,
                "task": task,
                "first_seed": seed,
                "episodes": result["n"],
                "successes": result["successes"],
                "failed_seeds": " ".join(str(e["seed"]) for e in result["episodes"] if not e["success"]),
            }
            append_rows(self.path, [row])
        n, successes = self._totals(task)
        rate = f"{100 * successes / n:.1f} %, {interval(successes, n)}"
        print(f"{self.expert}, {task}, {self.domain}: {successes} of {n}, {rate}", flush=True)

    def _totals(self, task: str) -> tuple[int, int]:
        """Return how many episodes from `first_seed` on are stored, and how many of them succeeded."""
        rows = select(read_rows(self.path), expert=self.expert, domain=self.domain, noise=self.noise, task=task)
        rows = [row for row in rows if int(row["first_seed"]) >= self.first_seed]
        return sum(int(row["episodes"]) for row in rows), sum(int(row["successes"]) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for expert_success.csv")
    parser.add_argument("--expert", choices=("scripted", "reactive"), default="scripted")
    parser.add_argument("--specialists", type=Path, metavar="WEIGHTS", help="folder with TASK.npz; replaces --expert")
    parser.add_argument("--domain", default="nominal")
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="objects of RGB-stacking, or suite/name")
    parser.add_argument("--episodes", type=int, default=100, help="of each task")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.0, help="disturbance of the actions, a share of their limits")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    measurement = ExpertSuccess(
        path=options.folder / "expert_success.csv",
        expert=SPECIALIST if options.specialists else options.expert,
        domain=options.domain,
        weights=options.specialists,
        workers=options.workers,
        noise=options.noise,
        first_seed=options.first_seed,
    )
    for task in options.tasks:
        measurement.run(task, options.episodes)


if __name__ == "__main__":
    main()

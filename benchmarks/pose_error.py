"""How accurately must object poses be known? The scripted expert stacks with wrong poses.

    python -m benchmarks.pose_error --folder work

The expert gets the poses of red, green and blue with a horizontal Gaussian error each, constant over an episode. It
gets the true contacts of its pads. Writes pose_error.csv (a row per episode) and pose_error.json into the folder. The
same command resumes.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import write_summary
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.evaluation.episode_table import append_rows, episode_row, read_rows, select, totals
from lossless_ros.simulation.env import make_env, make_expert
from lossless_ros.simulation.process_pool import run_parallel

TRIPLETS = ("triplet1", "triplet5")
ERRORS_MM = (0, 4, 8, 12, 16)
EXPERT, DOMAIN, PERIOD_S = "scripted", "lab", 0.05
TABLE = "pose_error"
_STREAM_ID = 0x77726F6E  # keeps the errors independent of the episode's own random numbers


@dataclass(frozen=True)
class Job:
    """An episode."""

    triplet: str
    error_mm: int  # standard deviation in x and in y
    seed: int


class Evaluator:
    """Runs episodes; keeps one environment per triplet."""

    def __init__(self) -> None:
        self._envs: dict[str, Any] = {}

    def __call__(self, job: Job) -> dict[str, Any]:
        """Return the row of an episode."""
        env = self._env(job.triplet)
        expert = make_expert(EXPERT, _task(job.triplet), job.seed)
        result = EpisodeResult(_task(job.triplet), job.seed, PERIOD_S)
        observation, info = env.reset(seed=job.seed)
        sample = np.random.default_rng([job.seed, _STREAM_ID]).standard_normal((len(info["objects"]), 2))
        errors = dict(zip(sorted(info["objects"]), job.error_mm / 1000 * sample, strict=True))
        truncated = False
        while not truncated:
            wrong = {name: pose + np.append(errors[name], np.zeros(5)) for name, pose in info["objects"].items()}
            observation, _, _, truncated, info = env.step(expert.act(observation, {**info, "objects": wrong}))
            result.update(observation, info)
        return {"triplet": job.triplet, "error_mm": job.error_mm, **episode_row(result.document())}

    def _env(self, triplet: str) -> Any:
        if triplet not in self._envs:
            self._envs[triplet] = make_env(_task(triplet), DOMAIN)
        return self._envs[triplet]


def clearance(triplet: str) -> dict[str, float]:
    """Return the width of red where the expert grasps it and the room on either side in the open gripper [mm]."""
    from lossless_sim.experts.grasp import OPENING, plan
    from lossless_sim.experts.privileged_state import PrivilegedState

    env, widths = make_env(_task(triplet), DOMAIN), []
    for seed in range(20):
        state = PrivilegedState.of(*env.reset(seed=seed))
        grasp = plan(state.objects["red"], [], state.yaw, [])
        if grasp is not None:
            widths.append(grasp.width)
    width = 1000 * float(np.median(widths))
    return {"red_width_mm": round(width, 1), "clearance_mm": round(1000 * OPENING - width / 2, 1)}


def _task(triplet: str) -> str:
    return f"rgb_stacking/{triplet}"


def write(folder: Path) -> None:
    """Write the totals of the episodes so far."""
    rows = read_rows(folder / f"{TABLE}.csv")
    triplets = {}
    for triplet in TRIPLETS:
        results = {str(mm): totals(select(rows, triplet=triplet, error_mm=mm)) for mm in ERRORS_MM}
        triplets[triplet] = {**clearance(triplet), "results": results}
    document = {"domain": DOMAIN, "expert": EXPERT, "triplets": triplets}
    write_summary(folder / f"{TABLE}.json", document, ("triplets",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the results")
    parser.add_argument("--episodes", type=int, default=50, help="of each triplet and error, seeds from 0")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    path = options.folder / f"{TABLE}.csv"
    done = {(row["triplet"], int(row["error_mm"]), int(row["seed"])) for row in read_rows(path)}
    jobs = [
        Job(triplet, error_mm, seed)
        for triplet in TRIPLETS
        for error_mm in ERRORS_MM
        for seed in range(options.episodes)
        if (triplet, error_mm, seed) not in done
    ]
    for row in run_parallel(Evaluator, jobs, options.workers):
        append_rows(path, [row])
    write(options.folder)


if __name__ == "__main__":
    main()

"""How exactly must a policy know where things are? The scripted expert stacks what it sees in wrong places.

    python -m benchmarks.precision

In each episode the expert takes red, green and blue to lie off where they are, each by a horizontal error of its own
that is Gaussian and stays for the episode; it goes on to feel what its pads touch. Every finished episode is kept; the
same command goes on where it was, and writes precision.json and precision.md beside this file.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study import rate
from lossless_ros.episodes.pool import run_parallel
from lossless_ros.evaluation.outcome import Outcome
from lossless_ros.evaluation.rollout import summarize
from lossless_ros.models.bundle import write_atomically

TRIPLETS = ("triplet1", "triplet5")
ERRORS_MM = (0, 4, 8, 12, 16)
DOMAIN, PERIOD_S = "lab", 0.05
HERE = Path(__file__).resolve().parent
STREAM = 0x77726F6E  # so that the errors share no random numbers with the episode's start
_worker: dict[str, Any] = {}  # environments by task


def setup() -> None:
    """Of a worker process: nothing to do."""


def episode(job: tuple[str, int, int]) -> tuple[str, int, dict[str, Any]]:
    """One episode of a triplet, with an error's standard deviation [mm] and a seed."""
    from lossless_sim.experts import make_expert
    from lossless_sim.tasks import make_env

    triplet, error_mm, seed = job
    task = f"rgb_stacking/{triplet}"
    if task not in _worker:
        _worker[task] = make_env(task, domain=DOMAIN, cameras=())
    env, expert, outcome = _worker[task], make_expert("scripted", task, seed), Outcome(seed, PERIOD_S)
    expert.reset()
    observation, info = env.reset(seed=seed)
    drawn = np.random.default_rng([seed, STREAM]).standard_normal((len(info["objects"]), 2))
    off = {name: error_mm / 1000 * some for name, some in zip(sorted(info["objects"]), drawn, strict=True)}
    truncated = False
    while not truncated:
        seen = {name: pose + np.append(off[name], np.zeros(5)) for name, pose in info["objects"].items()}
        observation, _, _, truncated, info = env.step(expert.act(observation, {**info, "objects": seen}))
        outcome.see(observation, info)
    return triplet, error_mm, outcome.result()


def width_of_red(triplet: str) -> dict[str, float]:
    """Of red where the planner grasps it, and the room that leaves on either side of it in the open gripper [mm]."""
    from lossless_sim.experts.grasp import OPENING, plan
    from lossless_sim.experts.view import View
    from lossless_sim.tasks import make_env

    env, widths = make_env(f"rgb_stacking/{triplet}", domain=DOMAIN, cameras=()), []
    for seed in range(20):
        view = View.of(*env.reset(seed=seed))
        grasp = plan(view.solids["red"], [], view.yaw, [])
        if grasp is not None:
            widths.append(grasp.width)
    width = 1000 * float(np.median(widths))
    return {"red_mm": round(width, 1), "room_mm": round(1000 * OPENING - width / 2, 1)}


def table(document: dict[str, Any]) -> str:
    """A row per triplet and error, in Markdown."""
    lines = ["| triplet | red, room beside it | error | grasped | stacked | 95 % |", "|---|---|---|---|---|---|"]
    for triplet, part in document["triplets"].items():
        for error_mm, result in part["results"].items():
            n, where = result["n"], f"{part['red_mm']:.0f} mm, ±{part['room_mm']:.0f}"
            cells = (where, f"{error_mm} mm", f"{result['phases']['grasped']} of {n}", *rate(result))
            lines.append(f"| {triplet} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing and write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=50, help="of each triplet and error, seeds from 0")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "precision.json")
    options = parser.parse_args()
    path = options.json
    document = json.loads(path.read_text()) if path.exists() else {"domain": DOMAIN, "triplets": {}}
    for triplet in TRIPLETS:
        document["triplets"].setdefault(triplet, {**width_of_red(triplet), "results": {}})
    results = {triplet: document["triplets"][triplet]["results"] for triplet in TRIPLETS}
    done = {
        (triplet, error_mm): {e["seed"]: e for e in results[triplet].get(str(error_mm), {}).get("episodes", [])}
        for triplet in TRIPLETS
        for error_mm in ERRORS_MM
    }
    jobs = [
        (*which, seed) for which, by_seed in done.items() for seed in range(options.episodes) if seed not in by_seed
    ]
    for triplet, error_mm, result in run_parallel(episode, jobs, options.workers, setup, ()):
        by_seed = done[triplet, error_mm]
        by_seed[result["seed"]] = result
        some = [by_seed[seed] for seed in sorted(by_seed)]
        results[triplet][str(error_mm)] = summarize(f"rgb_stacking/{triplet}", DOMAIN, some)
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
        write_atomically(path.with_suffix(".md"), table(document).encode())


if __name__ == "__main__":
    main()

"""How often does the scripted expert stack? Every test triplet, and random training and held-out ones.

    python benchmarks/expert.py

Success is that of the last of an episode's 400 steps. Every finished episode is written at once; the same command
goes on where it was.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from lossless_ros.episodes.pool import run_parallel
from lossless_ros.evaluation.statistics import wilson_interval

TRIPLETS = ("triplet1", "triplet2", "triplet3", "triplet4", "triplet5")
TASKS = (*TRIPLETS, "train", "heldout")
HERE = Path(__file__).resolve().parent
_worker: dict[str, Any] = {}


def _setup(expert: str, domain: str) -> None:
    _worker.update(expert=expert, domain=domain)


def _episode(job: tuple[str, int]) -> tuple[str, int, bool]:
    """Success at the end of one episode."""
    from lossless_sim.experts import make_expert
    from lossless_sim.tasks import make_env

    name, seed = job
    task = f"rgb_stacking/{name}"
    if name not in _worker:
        _worker[name] = make_env(task, domain=_worker["domain"], cameras=())
    env, expert = _worker[name], make_expert(_worker["expert"], task, seed)
    expert.reset()
    observation, info = env.reset(seed=seed)
    truncated = False
    while not truncated:
        observation, _, _, truncated, info = env.step(expert.act(observation, info))
    return name, seed, bool(info["success"])


def summary(outcomes: dict[str, bool]) -> dict[str, Any]:
    """Rate and Wilson interval of outcomes by seed."""
    n, successes = len(outcomes), sum(outcomes.values())
    return {
        "n": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval_95": list(wilson_interval(successes, n)),
        "failed_seeds": [int(seed) for seed, success in outcomes.items() if not success],
        "seeds": [int(seed) for seed in outcomes],
    }


def outcomes_of(result: dict[str, Any]) -> dict[str, bool]:
    """Outcomes by seed of a summary that was written before."""
    failed = set(result.get("failed_seeds", []))
    return {str(seed): seed not in failed for seed in result.get("seeds", [])}


def main() -> None:
    """Run what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200, help="seeds 0 to this, exclusive")
    parser.add_argument("--expert", choices=("scripted", "lenient", "reactive"), default="scripted")
    parser.add_argument("--domain", default="nominal")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="default: expert.json (nominal) beside this file")
    options = parser.parse_args()
    kind = {"expert": options.expert, "domain": options.domain}
    usual = {"expert": "scripted", "domain": "nominal"}
    name = "_".join(["expert", *(value for key, value in kind.items() if value != usual[key])])
    path = options.json or HERE / f"{name}.json"
    document = json.loads(path.read_text()) if path.exists() else {**kind, "tasks": {}}
    measured = {key: document.get(key, usual[key]) for key in usual}
    if measured != kind:
        parser.error(f"{path} is of {measured['expert']} in {measured['domain']}; give another --json")
    outcomes = {task: outcomes_of(document["tasks"].get(task, {})) for task in TASKS}
    jobs = [
        (task, seed) for seed in range(options.episodes) for task in options.tasks if str(seed) not in outcomes[task]
    ]
    for task, seed, success in run_parallel(_episode, jobs, options.workers, _setup, tuple(kind.values())):
        outcomes[task][str(seed)] = success
        document["tasks"] = {
            name: summary(dict(sorted(done.items(), key=lambda item: int(item[0]))))
            for name, done in outcomes.items()
            if done
        }
        rates = [document["tasks"].get(triplet, {}).get("success_rate") for triplet in TRIPLETS]
        document["mean_of_triplets"] = None if None in rates else sum(rates) / len(rates)
        document["worst_triplet"] = None if None in rates else min(rates)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(document) + "\n")
        os.replace(part, path)
    for task, result in document["tasks"].items():
        low, high = result["interval_95"]
        rate = 100 * result["success_rate"]
        print(f"{task}: {result['successes']} of {result['n']}, {rate:.1f} % [{100 * low:.1f}, {100 * high:.1f}]")
    if document["mean_of_triplets"] is not None:
        mean, worst = 100 * document["mean_of_triplets"], 100 * document["worst_triplet"]
        print(f"mean of the triplets {mean:.1f} %, worst {worst:.1f} %")


if __name__ == "__main__":
    main()

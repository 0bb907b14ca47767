"""Is the simulator true? The released specialists, as they are, must stack here as often as where they were trained.

    python benchmarks/fidelity.py --teachers ../shared/teachers

Every finished episode is written at once; the same command goes on where it was.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from lossless_ros.episodes.pool import run_parallel
from lossless_ros.evaluation.statistics import wilson_interval

PUBLISHED = {"triplet1": 0.777, "triplet4": 0.799}  # README of google-deepmind/rgb_stacking, state-based specialists
HERE = Path(__file__).resolve().parent
_worker: dict[str, Any] = {}


def _setup(physics: str) -> None:
    _worker["physics"] = physics


def _episode(job: tuple[str, str, int]) -> tuple[str, int, bool]:
    """Success at the end of one episode of 400 steps, actions sampled as the released policy does."""
    from lossless_sim.experts import make_expert
    from lossless_sim.tasks import make_env

    triplet, weights, seed = job
    task = f"rgb_stacking/{triplet}"
    if triplet not in _worker:
        _worker[triplet] = make_env(task, domain="nominal", physics=_worker["physics"], cameras=())
    env, expert = _worker[triplet], make_expert(f"specialist:{weights}", task, seed)
    observation, info = env.reset(seed=seed)
    truncated = False
    while not truncated:
        observation, _, _, truncated, info = env.step(expert.act(observation, info))
    return triplet, seed, bool(info["success"])


def summary(triplet: str, outcomes: dict[str, bool]) -> dict[str, Any]:
    """Rate and Wilson interval of outcomes by seed, and whether the published rate lies in it."""
    n, successes = len(outcomes), sum(outcomes.values())
    low, high = wilson_interval(successes, n)
    return {
        "n": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval_95": [low, high],
        "published": PUBLISHED[triplet],
        "published_inside": low <= PUBLISHED[triplet] <= high,
        "outcomes": outcomes,
    }


def main() -> None:
    """Run what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teachers", type=Path, default=HERE.parent.parent / "shared" / "teachers")
    parser.add_argument("--episodes", type=int, default=100, help="seeds 0 to this, exclusive")
    parser.add_argument("--physics", choices=("fast", "reference"), default="fast")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="default: fidelity.json beside this file")
    options = parser.parse_args()
    name = "fidelity.json" if options.physics == "fast" else f"fidelity_{options.physics}.json"
    path = options.json or HERE / name
    document = json.loads(path.read_text()) if path.exists() else {"physics": options.physics, "triplets": {}}
    if document["physics"] != options.physics:
        parser.error(f"{path} was measured with {document['physics']} physics; give another --json")
    outcomes = {t: dict(document["triplets"].get(t, {}).get("outcomes", {})) for t in PUBLISHED}
    jobs = [
        (triplet, str(options.teachers / f"{triplet}.npz"), seed)
        for seed in range(options.episodes)
        for triplet in PUBLISHED
        if str(seed) not in outcomes[triplet]
    ]
    for triplet, seed, success in run_parallel(_episode, jobs, options.workers, _setup, (options.physics,)):
        outcomes[triplet][str(seed)] = success
        ordered = dict(sorted(outcomes[triplet].items(), key=lambda item: int(item[0])))
        document["triplets"][triplet] = summary(triplet, ordered)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1) + "\n")
        os.replace(part, path)
    for triplet, result in document["triplets"].items():
        low, high = result["interval_95"]
        print(
            f"{triplet}: {result['successes']} of {result['n']}, {100 * result['success_rate']:.1f} % "
            f"[{100 * low:.1f}, {100 * high:.1f}]; published {100 * result['published']:.1f} %, "
            f"{'inside' if result['published_inside'] else 'outside'}"
        )


if __name__ == "__main__":
    main()

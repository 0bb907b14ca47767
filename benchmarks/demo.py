"""What `make demo` measured: an episode per row, and a summary.

python -m benchmarks.demo demo_output/results.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, write_summary
from lossless_ros.evaluation.episode_table import append_rows, episode_row

POLICIES = ("shipped", "own")


def main() -> None:
    """Write benchmarks/results/demo.csv and demo.json from the demo's results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results.json of a demo")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    rows = [{"policy": policy} | episode_row(e) for policy in POLICIES for e in results[policy]["episodes"]]
    (options.out / "demo.csv").unlink(missing_ok=True)
    append_rows(options.out / "demo.csv", rows)
    write_summary(options.out / "demo.json", summary(results), ())


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """Return times [s], sizes and rates."""
    training = results["training"]
    return {
        "seconds": {name: round(seconds) for name, seconds in results["seconds"].items()},
        "task": results["shipped"]["task"],
        "domain": results["shipped"]["domain"],
        "seeds": [results["shipped"]["seeds"][0], results["shipped"]["seeds"][-1]],
        "demonstrations": training["data"]["episodes"] + training["data"]["held_out_episodes"],
        "mode": training["mode"],
        "steps": training["steps"],
        "training_s": round(training["seconds"]),
        "held_out_loss": round(training["held_out_loss"], 4),
        **{policy: {name: results[policy][name] for name in ("n", "successes")} for policy in POLICIES},
    }


if __name__ == "__main__":
    main()

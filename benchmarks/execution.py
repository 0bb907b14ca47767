"""How should a policy's action chunks be executed? One bundle, every execution, the same episodes.

    python -m benchmarks.execution --bundle triplet5.safetensors --folder work --workers 2

Writes execution.csv (a row per episode) and execution.json (rates with Wilson's interval, and each execution compared
with the bundle's own on the same seeds) into the folder. The same command resumes; several bundles share the files,
told apart by their content. `--out FILE` also writes a copy of the bundle with the execution of the most successes;
the bundle's own wins a draw.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import (
    count_successes,
    paired,
    read_rows,
    read_summary,
    select,
    totals,
    write_summary,
)
from lossless_ros.evaluation.resumable import evaluate_missing
from lossless_ros.evaluation.rollout import EvalConfig
from lossless_ros.models.bundle import copy_bundle, read_bundle, with_execution

TABLE = "execution"
EXECUTIONS = (  # open_loop:N up to the bundle's chunk_size
    "newest",
    "ensemble:-0.5",
    "ensemble:-0.1",
    "ensemble:0",
    "ensemble:0.01",
    "ensemble:0.1",
    "open_loop:2",
    "open_loop:4",
    "open_loop:8",
)
FIRST_SEED = 200_000  # neither the demonstrations' nor DAgger's nor those of the final evaluations


@dataclass(frozen=True)
class ExecutionComparison:
    """Which bundle is evaluated where, and where the results go."""

    bundle: Path
    folder: Path
    seeds: range
    domain: str
    runtime: str
    workers: int

    @property
    def labels(self) -> dict[str, object]:
        """What the rows of this bundle have in common."""
        bundle = read_bundle(self.bundle)
        return {"bundle": bundle.hash[:12], "task": bundle.task, "domain": self.domain}

    def rows(self, execution: str) -> list[dict[str, str]]:
        """Return the stored rows of an execution, of the seeds that are compared."""
        seeds = {str(seed) for seed in self.seeds}
        rows = select(read_rows(self.folder / f"{TABLE}.csv"), **self.labels, execution=execution)
        return [row for row in rows if row["seed"] in seeds]

    def run(self, execution: str) -> None:
        """Evaluate the episodes that have no row yet."""
        config = EvalConfig(
            bundle=self.bundle,
            episodes=len(self.seeds),
            seed=self.seeds.start,
            domain=self.domain,
            workers=self.workers,
            runtime=self.runtime,
            execution=execution,
        )
        labels = {**self.labels, "execution": execution}
        table = self.folder / f"{TABLE}.csv"
        evaluate_missing(config, table, labels, lambda line: print(f"{execution}, {line}", flush=True))

    def summarize(self, executions: list[str], own: str) -> dict[str, Any]:
        """Return totals per execution, compared with the bundle's `own` on the same seeds, and write them."""
        results = {}
        for execution in executions:
            rows = self.rows(execution)
            results[execution] = totals(rows)
            if execution != own:
                results[execution]["against_own"] = paired(rows, self.rows(own))
        path = self.folder / f"{TABLE}.json"
        entry = {
            **{"path": str(self.bundle.name), "task": self.labels["task"], "domain": self.domain},
            **{"seeds": [self.seeds[0], self.seeds[-1]], "runtime": self.runtime, "bundle_execution": own},
            "executions": results,
        }
        bundles = read_summary(path).get("bundles", {})
        write_summary(path, {"bundles": {**bundles, str(self.labels["bundle"]): entry}}, ("bundles",))
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for the results")
    parser.add_argument("--executions", nargs="+", default=None, help="default: the bundle's own and all that fit it")
    parser.add_argument("--episodes", type=int, default=100, help="of each execution")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first episode")
    parser.add_argument("--domain", default="randomized")
    parser.add_argument("--runtime", default="openvino", help="that runs the policy: torch or openvino")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="copy of the bundle with the best execution (.safetensors)")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    own, size = str(bundle.execution), bundle.network.chunk_size
    fitting = [name for name in EXECUTIONS if not name.startswith("open_loop:") or int(name[10:]) <= size]
    wanted = [str(with_execution(bundle, name).execution) for name in options.executions or fitting]
    executions = list(dict.fromkeys([own, *wanted]))
    seeds = range(options.seed, options.seed + options.episodes)
    comparison = ExecutionComparison(
        options.bundle, options.folder, seeds, options.domain, options.runtime, options.workers
    )
    for execution in executions:
        comparison.run(execution)
        comparison.summarize([name for name in executions if comparison.rows(name)], own)
    best = max(executions, key=lambda name: count_successes(comparison.rows(name)))  # the first of equals: `own`
    print(f"best: {best}")
    if options.out:
        copy_bundle(options.bundle, options.out, best)


if __name__ == "__main__":
    main()

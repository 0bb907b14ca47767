"""The table of the study `rgb_stacking`: success of each run, task and domain."""

from benchmarks.common import RESULTS, SHOWN_STAGES, interval, markdown
from lossless_ros.evaluation.episode_table import read_rows, select, totals


def study() -> str:
    """A row per run, task and domain, over all training seeds."""
    rows = read_rows(RESULTS / "stacking.csv")
    cells = []
    for run, task, domain in dict.fromkeys((row["run"], row["task"], row["domain"]) for row in rows):
        mine = select(rows, run=run, task=task, domain=domain)
        seeds = dict.fromkeys(row["training_seed"] for row in mine)
        result = totals(mine)
        n, successes = result["n"], result["successes"]
        stages = (result["stages"][stage] for stage in SHOWN_STAGES)
        name = task.rpartition("/")[2]
        cells.append((run, name, domain, len(seeds), f"{successes} of {n}", interval(successes, n), *stages))
    return markdown(("run", "task", "domain", "training seeds", "success", "95 %", *SHOWN_STAGES), cells)

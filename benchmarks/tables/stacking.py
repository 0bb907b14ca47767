"""Tables of the study `rgb_stacking`: success of each run, task and domain, and differences from a reference."""

from benchmarks.common import PAIR_COLUMNS, RESULTS, SHOWN_STAGES, interval, markdown, pair_cells
from lossless_ros.evaluation.episode_table import paired, read_rows, select, totals

DOMAIN_PAIR = ("workshop", "lab")


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


def study_domains() -> str:
    """What the second unseen domain costs against the first, on the same episode seeds."""
    rows = read_rows(RESULTS / "stacking.csv")
    cells = []
    for run, task in dict.fromkeys((row["run"], row["task"]) for row in rows):
        ours, theirs = (select(rows, run=run, task=task, domain=domain) for domain in DOMAIN_PAIR)
        if ours and theirs:
            cells.append((run, task.rpartition("/")[2], *DOMAIN_PAIR, *pair_cells(paired(ours, theirs))))
    return markdown(("run", "task", "first", "second", *PAIR_COLUMNS), cells)

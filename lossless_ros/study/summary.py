"""The table of a study: success rates with intervals, and paired comparisons with the reference."""

from collections.abc import Sequence
from typing import Any

from lossless_ros.evaluation.episode_table import count_successes, paired, select, totals
from lossless_ros.simulation.env import find_suite


def summarize(rows: Sequence[dict[str, str]], reference: str = "") -> dict[str, Any]:
    """Return the summary of evaluated episodes.

    Args:
        rows: of episodes.csv: run, task, training_seed, domain, seed, success, stage.
        reference: the run that the others are compared with; empty: none.

    Returns:
        JSON-serializable: `cells`, one per run, task and domain in the order of the rows, each with run, task, domain,
        `episode_table.totals` over all training seeds, the successes per training seed, and with a reference
        `against_reference` (see `compare.compare`), on the episodes and training seeds that both have.
    """
    keys = dict.fromkeys((row["run"], row["task"], row["domain"]) for row in rows)
    cells = []
    for run, task, domain in keys:
        mine = select(rows, run=run, task=task, domain=domain)
        seeds = dict.fromkeys(row["training_seed"] for row in mine)
        cell: dict[str, Any] = {"run": run, "task": task, "domain": domain, **totals(mine, find_suite(task).stages)}
        cell["per_training_seed"] = {s: count_successes(select(mine, training_seed=s)) for s in seeds}
        theirs = select(rows, run=reference, task=task, domain=domain) if run != reference else []
        if theirs:
            cell["against_reference"] = paired(mine, theirs)
        cells.append(cell)
    return {"reference": reference, "cells": cells}


def table(summary: dict[str, Any]) -> list[str]:
    """Return the summary as lines of text, one per cell."""
    lines = []
    for cell in summary["cells"]:
        low, high = (100 * bound for bound in cell["interval_95"])
        line = (
            f"{cell['run']:20} {cell['task'].rpartition('/')[2]:12} {cell['domain']:12} "
            f"{cell['successes']:4} of {cell['n']:<4} {low:3.0f} to {high:3.0f} %"
        )
        other = cell.get("against_reference")
        if other:
            low, high = (100 * bound for bound in other["interval_95"])
            line += (
                f"  {100 * other['difference']:+.0f} points ({low:+.0f} to {high:+.0f}) against {summary['reference']}"
            )
        lines.append(line)
    return lines

"""Evaluations that are stored in parts, so that an interrupted one goes on where it was."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.episode_table import append_rows, episode_row, read_rows, select
from lossless_ros.evaluation.rollout import EvalConfig, evaluate

_PART = 10  # episodes that are evaluated and stored at a time


def evaluate_missing(
    config: EvalConfig, table: Path, labels: Mapping[str, Any], on_part: Callable[[str], object] = lambda line: None
) -> int:
    """Evaluate the episodes of `config` that have no row with these labels in the CSV file; append their rows.

    `on_part` gets a line with the seeds and successes of every part. Returns the number of evaluated episodes.
    """
    evaluated = 0
    done = {int(row["seed"]) for row in select(read_rows(table), **labels)}
    for first in config.seeds[::_PART]:
        seeds = [seed for seed in range(first, min(first + _PART, config.seeds.stop)) if seed not in done]
        if not seeds:
            continue
        part = dataclasses.replace(config, seed=seeds[0], episodes=seeds[-1] - seeds[0] + 1)
        episodes = [episode for episode in evaluate(part)["episodes"] if episode["seed"] in seeds]
        append_rows(table, [{**labels, **episode_row(episode)} for episode in episodes])
        evaluated += len(episodes)
        successes = sum(episode["success"] for episode in episodes)
        on_part(f"seeds {seeds[0]} to {seeds[-1]}: {successes} of {len(episodes)}")
    return evaluated

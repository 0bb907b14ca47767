"""Interrupt a training run at a step, as a killed process would be."""

from collections.abc import Callable

import pytest

from lossless_ros.training.behavior_cloning import TrainConfig, train


class Killed(Exception):
    """The run was interrupted."""


def kill_at(step: int) -> Callable[[int, int, str], None]:
    """Return a progress callback that raises Killed after the step with this number."""

    def on_progress(done: int, total: int, note: str) -> None:
        if note.startswith(f"step {step},"):
            raise Killed

    return on_progress


def train_until(step: int, config: TrainConfig) -> None:
    """Train and interrupt the run after the step with this number."""
    with pytest.raises(Killed):
        train(config, kill_at(step))

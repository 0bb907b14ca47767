"""Worker processes report their steps, and end at once when nobody wants their results."""

import time
from pathlib import Path
from typing import Any

import pytest

from lossless_ros.simulation.process_pool import report_step, run_parallel


class Counter:
    """Takes as many steps as it is told."""

    def __call__(self, steps: int) -> int:
        for _ in range(steps):
            report_step()
        return steps


class Endless:
    """Takes steps without end; a file is there meanwhile."""

    def __call__(self, path: Path) -> None:
        path.touch()
        try:
            while True:
                time.sleep(0.1)
                report_step()
        finally:
            path.unlink()


def test_every_step_is_reported_before_its_result() -> None:
    events: list[Any] = []
    for result in run_parallel(Counter, [7, 5], 1, lambda count: events.append(("steps", count))):
        events.append(result)
    assert events == [("steps", 7), 7, ("steps", 5), 5]


def test_stopping_ends_a_worker_at_its_work(tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(run_parallel(Endless, [begun], 1, stop))
    assert not begun.exists()

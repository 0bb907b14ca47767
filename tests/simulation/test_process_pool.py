"""Worker processes report their steps, and end at once when nobody wants their results."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from lossless_ros.contract import load_contract
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.collect import CollectConfig, collect
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


class Failing:
    """Cannot be made."""

    def __init__(self) -> None:
        raise LosslessError("the simulator has no camera 'front'")


class Odd(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("no such thing")


class Oddly:
    def __call__(self, item: int) -> None:
        raise Odd(1, 2)


def test_error_of_a_worker_is_that_of_the_run() -> None:
    with pytest.raises(LosslessError, match="^the simulator has no camera 'front'$"):
        list(run_parallel(Failing, range(4), 2))


def test_error_that_cannot_be_unpickled_arrives_with_its_text() -> None:
    with pytest.raises(RuntimeError, match="Odd: no such thing"):
        list(run_parallel(Oddly, [1], 1))


def test_cameras_that_the_simulator_lacks_are_refused_before_any_process_starts(tmp_path: Path, monkeypatch) -> None:
    contract = load_contract("rgb_stacking")
    other = dataclasses.replace(contract, cameras=(dataclasses.replace(contract.cameras[0], name="front"),))
    path = tmp_path / "contract.yaml"
    path.write_text(other.to_json())
    monkeypatch.setattr("lossless_ros.simulation.collect.run_parallel", lambda *_: pytest.fail("a process started"))
    config = CollectConfig(task="rgb_stacking/triplet1", out=tmp_path / "out", contract=str(path))
    with pytest.raises(LosslessError, match="has camera 'front', the simulator of .* has basket_front_left, "):
        collect(config)

"""Clocks that jump back or stand still."""

import pytest

from lossless_ros.control import clock_monitor
from lossless_ros.control.clock_monitor import ClockMonitor


def test_clock_that_jumps_back_is_a_fault_once() -> None:
    clock = ClockMonitor()
    assert clock.jump_fault(5_000_000_000) is None
    assert clock.jump_fault(4_999_500_000) is None  # within the slack of clock synchronization
    assert clock.jump_fault(3_000_000_000) == "clock jumped back by 2.000 s"
    assert clock.jump_fault(3_050_000_000) is None


def test_clock_that_stands_still_is_a_fault_until_it_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(clock_monitor.time, "monotonic", lambda: now)
    clock = ClockMonitor()
    clock.jump_fault(1)
    now += 5.0
    clock.jump_fault(1)
    assert clock.standstill_fault() is None
    now += 1.0
    assert clock.standstill_fault() == "clock has stood still for 6 s"
    clock.jump_fault(2)
    assert clock.standstill_fault() is None

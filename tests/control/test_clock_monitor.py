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


class Time:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def real_time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(clock_monitor, "time", time)
    return time


def run(clock: ClockMonitor, real_time: Time, seconds: float, speed: float) -> None:
    """Read a clock of this speed 40 times a second."""
    begin = real_time.now
    for step in range(round(40 * seconds)):
        real_time.now = begin + step / 40
        clock.jump_fault(round(1e9 * (1000 + speed * (real_time.now - 100.0))))


@pytest.mark.parametrize(
    ("speed", "fault"), [(0.1, "0.10 times"), (1.0, None), (0.6, None), (1.5, None), (10.0, "10.00")]
)
def test_clock_that_runs_slow_or_fast_is_a_fault(real_time: Time, speed: float, fault: str | None) -> None:
    clock = ClockMonitor()
    run(clock, real_time, 3.0, speed)
    assert clock.speed() is None and clock.speed_fault() is None  # not known yet
    run(clock, real_time, 6.0, speed)
    assert clock.speed() == pytest.approx(speed, rel=0.01)
    assert (fault in str(clock.speed_fault())) if fault else clock.speed_fault() is None


def test_frame_that_arrives_while_the_clock_stands_is_a_fault_until_the_clock_runs(real_time: Time) -> None:
    clock = ClockMonitor()
    run(clock, real_time, 1.0, 1.0)
    real_time.now += 3.0
    arrived = real_time.now
    assert clock.standstill_at_frame(arrived) == "clock has stood still for 3 s"
    clock.jump_fault(2_000_000_000_000)  # the clock that belongs to the frame comes after it
    assert clock.standstill_at_frame(arrived) is None
    real_time.now += 60.0  # inference is slow, and a simulator in lock step waits for it
    assert clock.standstill_at_frame(arrived) is None


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

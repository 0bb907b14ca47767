"""Rates, offsets and faults of stamps."""

import numpy as np
import pytest

from lossless_ros.control.stream_monitor import StreamMonitor

START = 1_700_000_000.0  # s
MAX_AGE = 0.2


def watch(stamps: np.ndarray, delay: float = 0.01, arrivals: np.ndarray | None = None) -> StreamMonitor:
    """Return a monitor that was given stamps [s], each `delay` [s] before its message arrived."""
    monitor = StreamMonitor()
    for stamp, now in zip(stamps, stamps + delay if arrivals is None else arrivals, strict=True):
        monitor.add(round(1e9 * stamp), round(1e9 * now))
    return monitor


def at_rate(rate: float, seconds: float = 3.0) -> np.ndarray:
    return START + np.arange(0, seconds, 1 / rate)


def known_rate(monitor: StreamMonitor) -> float:
    rate = monitor.rate()
    assert rate is not None
    return rate


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0, 8.0, 20.0, 30.0, 500.0])
def test_rate_is_that_of_the_stamps(rate: float) -> None:
    monitor = watch(at_rate(rate, 12.0))
    assert known_rate(monitor) == pytest.approx(rate, rel=0.01)
    assert monitor.published_rate() is None
    assert monitor.offset() == pytest.approx(0.01, abs=1e-6)
    assert monitor.fault(MAX_AGE) is None


def test_rate_is_unknown_at_first_and_after_a_jump_of_the_clock() -> None:
    monitor = watch(at_rate(20.0, 0.3))
    assert monitor.rate() is None and monitor.fault(MAX_AGE) is None
    monitor = watch(at_rate(20.0))
    monitor.add(1, 2)
    assert monitor.rate() is None


def test_jitter_does_not_change_the_rate() -> None:
    stamps = at_rate(20.0) + np.random.default_rng(0).uniform(-0.01, 0.01, 60)
    assert known_rate(watch(stamps)) == pytest.approx(20.0, rel=0.02)
    assert watch(stamps).published_rate() is None


def test_messages_that_come_twice_or_late_do_not_change_the_rate() -> None:
    twice, late = at_rate(20.0).repeat(2), np.stack([at_rate(20.0), at_rate(20.0) - 0.02], axis=1).ravel()
    for stamps in (twice, late):
        assert known_rate(watch(stamps)) == pytest.approx(20.0, rel=0.01)
        assert watch(stamps).fault(MAX_AGE) is None


def test_outage_is_no_part_of_the_rate() -> None:
    """The robot has stopped meanwhile; it may go on at once."""
    stamps = np.concatenate([at_rate(20.0), at_rate(20.0, 0.1) + 10.0])
    assert known_rate(watch(stamps)) == pytest.approx(20.0, rel=0.01)


@pytest.mark.parametrize("share", [0.43, 0.17])  # 13 and 5 Hz of 30
def test_lost_messages_show_in_the_rate_and_as_lossy(share: float) -> None:
    stamps = at_rate(30.0, 30.0)
    monitor = watch(stamps[np.random.default_rng(0).random(len(stamps)) < share])
    assert known_rate(monitor) < 0.6 * 30
    assert monitor.published_rate() == pytest.approx(30.0, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_publisher_on_a_busy_machine_is_irregular_but_not_lossy(seed: int) -> None:
    """Its timer comes late by up to three periods, and then catches up."""
    late = np.random.default_rng(seed).exponential(0.03, 200)
    stamps = np.maximum.accumulate(at_rate(20.0, 10.0) + late)
    assert watch(stamps).published_rate() is None


def test_a_camera_that_is_thinned_by_its_driver_is_not_lossy() -> None:
    stamps = at_rate(30.0)
    assert watch(stamps[np.arange(len(stamps)) % 3 > 0]).published_rate() is None


NOW = at_rate(20.0)


@pytest.mark.parametrize(
    ("stamps", "fault"),
    [
        (np.zeros(60), "stamps are 0; the driver has to set header.stamp"),
        (np.full(60, START), "all its messages are stamped 1700000000.000 s"),
        (NOW - 3.0, "stamps are 3.000 s behind the node's clock; synchronize the clocks"),
        (NOW + 3.0, "stamps are 3.000 s ahead of the node's clock"),
    ],
    ids=["zero", "frozen", "behind", "ahead"],
)
def test_fault_of_stamps_is_named(stamps: np.ndarray, fault: str) -> None:
    assert fault in str(watch(stamps, arrivals=NOW).fault(MAX_AGE))


def test_stamp_of_zero_is_right_at_the_start_of_a_simulation() -> None:
    assert watch(np.arange(0, 1, 0.05)).fault(MAX_AGE) is None

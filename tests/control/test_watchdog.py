"""The watchdog thread."""

import threading

from lossless_ros.control.watchdog import Watchdog


def test_failing_check_is_reported_and_tried_again() -> None:
    failures: list[Exception] = []
    recovered = threading.Event()

    def check() -> None:
        if len(failures) < 2:
            raise RuntimeError("no clock")
        recovered.set()

    watchdog = Watchdog(check, failures.append, interval=0.001)
    assert recovered.wait(timeout=10.0)
    watchdog.close()
    assert [str(failure) for failure in failures] == ["no clock", "no clock"]


def test_closed_watchdog_checks_no_more() -> None:
    called = threading.Event()
    watchdog = Watchdog(called.set, lambda error: None, interval=0.001)
    assert called.wait(timeout=10.0)
    watchdog.close()
    called.clear()
    assert not called.wait(timeout=0.05)

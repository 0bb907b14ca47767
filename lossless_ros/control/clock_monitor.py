"""Notices a clock that jumps back, stands still or runs at another speed: times mean something else then."""

import time
from collections import deque

_SLACK_NS = 1_000_000  # clock synchronization between machines corrects in smaller steps than this
_STANDSTILL_S = 5.0  # a simulator in lock step may hold its clock for less
_STANDSTILL_AT_FRAME_S = 2.5  # but it sets it when it sends a frame
_SPEED_INTERVAL_S, _SPEED_READINGS = 0.25, 21  # the speed is measured over 5 s
_LOWEST_SPEED, _HIGHEST_SPEED = 0.5, 2.0  # of real time


class ClockMonitor:
    """Watches the readings of a clock [ns]."""

    def __init__(self) -> None:
        self._latest = 0  # latest reading [ns]
        self._latest_since = time.monotonic()  # when it was first read [s]
        self._readings: deque[tuple[float, int]] = deque(maxlen=_SPEED_READINGS)  # when [s], and the reading [ns]

    def jump_fault(self, now: int) -> str | None:
        """Take the reading `now` [ns]; return by how much it is behind the reading before, None if it is not."""
        previous, moment = self._latest, time.monotonic()
        if now != previous:
            self._latest, self._latest_since = now, moment
        if now < previous - _SLACK_NS:
            self._readings.clear()
            return f"clock jumped back by {(previous - now) / 1e9:.3f} s"
        if not self._readings or moment - self._readings[-1][0] >= _SPEED_INTERVAL_S:
            self._readings.append((moment, now))
        return None

    def standstill_fault(self) -> str | None:
        """Return for how long the clock has not changed, None if that is not too long."""
        return _standstill(time.monotonic() - self._latest_since, _STANDSTILL_S)

    def standstill_at_frame(self, arrived: float) -> str | None:
        """Return for how long the clock had not changed when a frame arrived, None if it was not long or has since.

        A simulator in lock step holds its clock while it waits for the answer to a frame, but not before it sends one.

        Args:
            arrived: time of arrival [s, time.monotonic].
        """
        return _standstill(arrived - self._latest_since, _STANDSTILL_AT_FRAME_S)

    def speed(self) -> float | None:
        """Return how fast the clock runs, 1 for real time; None before that is known."""
        if len(self._readings) < _SPEED_READINGS:
            return None
        (began, first), (ended, last) = self._readings[0], self._readings[-1]
        return 1e-9 * (last - first) / (ended - began)

    def speed_fault(self) -> str | None:
        """Return that the clock runs much slower or faster than real time, None if it does not."""
        speed = self.speed()
        if speed is None or _LOWEST_SPEED <= speed <= _HIGHEST_SPEED:
            return None
        return f"clock runs at {speed:.2f} times real time, and with it every rate, limit and timeout"


def _standstill(seconds: float, allowed: float) -> str | None:
    return f"clock has stood still for {seconds:.0f} s" if seconds > allowed else None

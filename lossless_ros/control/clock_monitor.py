"""Notices a clock that jumps back or stands still: timestamps mean nothing then."""

import time

_SLACK_NS = 1_000_000  # clock synchronization between machines corrects in smaller steps than this
_STANDSTILL_S = 5.0  # a simulator in lock step may hold its clock for less


class ClockMonitor:
    """Watches the readings of a clock [ns]."""

    def __init__(self) -> None:
        self._latest = 0  # latest reading [ns]
        self._latest_since = time.monotonic()  # when it was first read [s]

    def jump_fault(self, now: int) -> str | None:
        """Take the reading `now` [ns]; return by how much it is behind the reading before, None if it is not."""
        previous = self._latest
        if now != previous:
            self._latest, self._latest_since = now, time.monotonic()
        if now < previous - _SLACK_NS:
            return f"clock jumped back by {(previous - now) / 1e9:.3f} s"
        return None

    def standstill_fault(self) -> str | None:
        """Return for how long the clock has not changed, None if that is not too long."""
        still = time.monotonic() - self._latest_since
        return f"clock has stood still for {still:.0f} s" if still > _STANDSTILL_S else None

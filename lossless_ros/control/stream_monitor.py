"""Rate, offset and faults of the stamps of a live stream. No ROS."""

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

_MAX_MESSAGES = 256  # remembered
_WINDOW_S = 1.5  # over which a rate is measured
_MIN_INTERVALS, _MIN_SPAN_S = 5, 0.5  # before a rate is known
_GAP_S = 0.5  # a longer interval is an outage: it stops the robot by itself, and is no part of the rate
_JUMP_NS = 1_000_000_000  # stamps that go back further than this mean a new run
_RECENT = 10  # messages by which the order of stamps is judged
_MIN_FOR_LOSS = 20  # intervals
_REGULAR = 0.15  # mean distance of intervals from multiples of the period, in periods; of random ones it is 0.25
_LOSSY = 0.6  # of the published messages: when fewer arrive, that is reported


@dataclass(frozen=True)
class StreamRate:
    """Rates of a stream [Hz], by the stamps of its messages."""

    received: float
    published: float  # the same, unless messages are lost

    @property
    def is_lossy(self) -> bool:
        """Return whether a large part of the messages does not arrive."""
        return self.received < _LOSSY * self.published


class StreamMonitor:
    """Watches the stamps of a stream's messages; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamps: deque[int] = deque(maxlen=_MAX_MESSAGES)  # [ns]
        self._offsets: deque[int] = deque(maxlen=_RECENT)  # from stamp to arrival, by the node's clock [ns]

    def add(self, stamp: int, now: int) -> None:
        """Take the stamp of a message that arrived `now`, both by the node's clock [ns]."""
        with self._lock:
            if self._stamps and stamp < self._stamps[-1] - _JUMP_NS:
                self._stamps.clear()
                self._offsets.clear()
            self._stamps.append(stamp)
            self._offsets.append(now - stamp)

    def rate(self) -> StreamRate | None:
        """Return the rates over the last messages, None before they are known."""
        with self._lock:
            stamps = np.array(self._stamps, np.int64)
        intervals: np.ndarray = np.diff(np.maximum.accumulate(stamps)) / 1e9
        intervals = intervals[intervals > 0]  # no duplicates, and none that came late
        published = intervals[intervals <= _GAP_S]
        within = int(np.searchsorted(np.cumsum(intervals[::-1]), _WINDOW_S))
        intervals = intervals[-max(within, _MIN_INTERVALS) :]
        if len(intervals) < _MIN_INTERVALS or intervals.sum() < _MIN_SPAN_S:
            return None
        steady = intervals[intervals <= _GAP_S]
        if 2 * len(steady) <= len(intervals):  # a slow stream, not one with outages
            slow = 1 / float(np.median(intervals))
            return StreamRate(slow, slow)
        received = 1 / float(steady.mean())
        return StreamRate(received, _published_rate(published) or received)

    def offset(self) -> float | None:
        """Return the median time from a stamp to the arrival of its message [s], None before the first message."""
        with self._lock:
            return float(np.median(self._offsets)) / 1e9 if self._offsets else None

    def fault(self, max_age: float) -> str | None:
        """Return what is wrong with the stamps, None if nothing is; `max_age` [s] is how old data may be."""
        with self._lock:
            recent = list(self._stamps)[-_RECENT:]
        offset = self.offset()
        if len(recent) < _MIN_INTERVALS or offset is None:
            return None
        if not any(recent) and abs(offset) > max_age:
            return "its stamps are 0; the driver has to set header.stamp"
        if len(set(recent)) == 1:
            return f"all its messages are stamped {recent[0] / 1e9:.3f} s; the driver has to stamp each one"
        if abs(offset) > max_age:
            side = "behind" if offset > 0 else "ahead of"
            return f"its stamps are {abs(offset):.3f} s {side} the node's clock; synchronize the clocks"
        return None


def _published_rate(intervals: np.ndarray) -> float | None:
    """Return the rate [Hz] at which a stream is published of which only some messages arrive, None if it is not one.

    The intervals [s] between the messages that arrive are then multiples of the period of publication. Those of a
    publisher that is merely irregular are not.
    """
    shortest = float(np.percentile(intervals, 10, method="lower"))
    period = float(np.median(intervals[intervals < 1.5 * shortest]))
    multiples = intervals / period
    is_regular = np.abs(multiples - np.round(multiples)).mean() < _REGULAR
    return 1 / period if is_regular and len(intervals) >= _MIN_FOR_LOSS else None

"""Rate, offset and faults of the stamps of a live stream. No ROS."""

import threading
from collections import deque

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

    def rate(self) -> float | None:
        """Return the rate of the last messages by their stamps [Hz], None before it is known."""
        intervals = self._intervals()
        within = int(np.searchsorted(np.cumsum(intervals[::-1]), _WINDOW_S))
        intervals = intervals[-max(within, _MIN_INTERVALS) :]
        if len(intervals) < _MIN_INTERVALS or intervals.sum() < _MIN_SPAN_S:
            return None
        steady = intervals[intervals <= _GAP_S]
        if 2 * len(steady) <= len(intervals):  # a slow stream, not one with outages
            return 1 / float(np.median(intervals))
        return 1 / float(steady.mean())

    def published_rate(self) -> float | None:
        """Return the rate at which a stream is published of which only some messages arrive [Hz], None if all do.

        The intervals between those that arrive are multiples of the period of publication. The intervals of a publisher
        that is merely irregular are not.
        """
        intervals, received = self._intervals(), self.rate()
        intervals = intervals[intervals <= _GAP_S]
        if received is None or len(intervals) < _MIN_FOR_LOSS:
            return None
        shortest = float(np.percentile(intervals, 10, method="lower"))
        period = float(np.median(intervals[intervals < 1.5 * shortest]))
        multiples = intervals / period
        is_regular = np.abs(multiples - np.round(multiples)).mean() < _REGULAR
        return 1 / period if is_regular and received < _LOSSY / period else None

    def offset(self) -> float | None:
        """Return the median time from a stamp to the arrival of its message [s], None before the first message."""
        with self._lock:
            offsets = sorted(self._offsets)
        return offsets[len(offsets) // 2] / 1e9 if offsets else None

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

    def _intervals(self) -> np.ndarray:
        """Return the times from stamp to stamp [s], without messages that came twice or late."""
        with self._lock:
            stamps = np.array(self._stamps, np.int64)
        intervals: np.ndarray = np.diff(np.maximum.accumulate(stamps)) / 1e9
        return intervals[intervals > 0]

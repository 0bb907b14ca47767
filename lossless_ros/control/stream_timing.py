"""The timing of all streams of a contract: which are slow, lose messages or have wrong stamps. No ROS."""

from collections.abc import Iterable

from lossless_ros.contract import Contract
from lossless_ros.control.stream_monitor import StreamMonitor

_FULL = 0.98  # of the contract's rate: a slower stream is reported


class StreamTiming:
    """Watches the stamps of every stream, each source on its own: joints may come in messages of several nodes."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._monitors: dict[str, dict[frozenset[str], StreamMonitor]] = {stream: {} for stream in contract.streams}

    def add(self, stream: str, parts: Iterable[str], stamp: int, now: int) -> None:
        """Take the stamp of a message with these parts of a stream that arrived `now`, by the node's clock [ns]."""
        source, known = frozenset(parts), self._monitors[stream]
        if source and source not in known:  # every part has one source; the mapping is replaced: other threads read it
            known = {other: monitor for other, monitor in known.items() if not other & source}
            self._monitors[stream] = known = {**known, source: StreamMonitor()}
        if source:
            known[source].add(stamp, now)

    def rate(self, stream: str) -> float | None:
        """Return the rate of a stream's slowest source [Hz], None before it is known."""
        rates = [monitor.rate() for monitor in self._monitors[stream].values()]
        return min((rate for rate in rates if rate is not None), default=None)

    def offset(self, stream: str) -> float | None:
        """Return the time from a stream's stamps to their arrival [s], the largest of all sources; None at first."""
        offsets = [monitor.offset() for monitor in self._monitors[stream].values()]
        return max((offset for offset in offsets if offset is not None), key=abs, default=None)

    def stamp_fault(self, stream: str) -> str | None:
        """Return what is wrong with a stream's stamps, None if nothing is."""
        faults = [monitor.fault(self._contract.max_age_s) for monitor in self._monitors[stream].values()]
        return next(filter(None, faults), None)

    def rate_fault(self, stream: str, share: float = _FULL) -> str | None:
        """Return that a stream is slower than this share of the contract's rate, None if it is not or not known."""
        rate, needed = self.rate(stream), self._contract.rate_hz
        if rate is None or rate >= share * needed:
            return None
        return f"comes at {rate:.1f} Hz, contract '{self._contract.name}' needs {needed:g} Hz"

    def loss(self, stream: str) -> str | None:
        """Return that a large part of a camera's images does not arrive, None otherwise."""
        for monitor in self._monitors[stream].values():
            published, received = monitor.published_rate(), monitor.rate()
            if published and received and any(camera.name == stream for camera in self._contract.cameras):
                return f"is published at {published:.0f} Hz, received at {received:.0f} Hz"
        return None

"""The timing of all streams of a contract: which are slow, lose messages or have wrong stamps. No ROS."""

from collections.abc import Iterable

from lossless_ros.contract import Contract
from lossless_ros.control.stream_monitor import StreamMonitor, StreamRate

_FULL = 0.98  # of the contract's rate: a slower stream is reported


class StreamTiming:
    """Watches the stamps of every part of every stream: joints may come in messages of their own."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._monitors: dict[str, dict[str, StreamMonitor]] = {stream: {} for stream in contract.streams}

    def add(self, stream: str, parts: Iterable[str], stamp: int, now: int) -> None:
        """Take the stamp of a message with these parts of a stream that arrived `now`, by the node's clock [ns]."""
        for part in parts:
            if part not in self._monitors[stream]:
                self._monitors[stream] = {**self._monitors[stream], part: StreamMonitor()}  # other threads read it
            self._monitors[stream][part].add(stamp, now)

    def rate(self, stream: str) -> StreamRate | None:
        """Return the rates of a stream, of its slowest part; None before they are known."""
        rates = [monitor.rate() for monitor in self._monitors[stream].values()]
        return min((rate for rate in rates if rate), key=lambda rate: rate.received, default=None)

    def offset(self, stream: str) -> float | None:
        """Return the time from a stream's stamps to their arrival [s], the largest of all parts; None at first."""
        offsets = [monitor.offset() for monitor in self._monitors[stream].values()]
        return max((offset for offset in offsets if offset is not None), key=abs, default=None)

    def stamp_fault(self, stream: str) -> str | None:
        """Return what is wrong with a stream's stamps, None if nothing is."""
        faults = [monitor.fault(self._contract.max_age_s) for monitor in self._monitors[stream].values()]
        return next(filter(None, faults), None)

    def rate_fault(self, stream: str, share: float = _FULL) -> str | None:
        """Return that a stream is slower than this share of the contract's rate, None if it is not or not known."""
        rate, needed = self.rate(stream), self._contract.rate_hz
        if rate is None or rate.received >= share * needed:
            return None
        return f"comes at {rate.received:.1f} Hz, contract '{self._contract.name}' needs {needed:g} Hz"

    def loss(self, stream: str) -> str | None:
        """Return that a large part of a camera's images does not arrive, None otherwise."""
        rate = self.rate(stream)
        is_camera = any(camera.name == stream for camera in self._contract.cameras)
        if not is_camera or rate is None or not rate.is_lossy:
            return None
        return f"is published at {rate.published:.0f} Hz, received at {rate.received:.0f} Hz"

"""Align streams into frames, one per control period, by header stamps alone.

A frame depends on the samples' stamps and not on their arrival, so a frame from a bag and one from live topics are
equal, byte for byte.
"""

from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.observation.messages import Sample

_MAX_SAMPLES = 4096  # kept per stream: the longest history at over 1 kHz
_JUMP_NS = 1_000_000_000  # stamps that go back further than this mean a new run, less means reordered messages


@dataclass(frozen=True)
class Frame:
    """What the policy observes at one instant."""

    stamp: int  # of the first camera [ns]
    images: tuple[np.ndarray, ...]  # (height, width, 3) uint8 each, in the contract's order
    proprioception: np.ndarray  # (P,) float32
    stamps: dict[str, int]  # of each stream's sample [ns]


class Aligner:
    """Takes samples, returns frames.

    The first camera's stamps, thinned to the contract's rate, are the frames' stamps. Each other stream contributes the
    sample closest to that stamp; it is known once a sample no older than the stream's slop has arrived. A frame is
    dropped and counted if a stream has no sample within the contract's skew. Values from before the frame (`history_s`)
    come from the samples closest to those times; at the start of a run, from its first sample.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.ignored: Counter[str] = Counter()  # samples per stream that were no newer than the previous one
        self.gaps: Counter[str] = Counter()  # frames dropped because that stream had no sample
        self._reference, *self._others = contract.streams
        self._slop = {s: contract.slop_ns(s) for s in self._others}
        self._history = {s: contract.history_ns(s) for s in self._others}
        self._skew = round(contract.max_skew_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forget all samples, for a new run."""
        self._queues: dict[str, deque[tuple[int, Sample]]] = {s: deque(maxlen=_MAX_SAMPLES) for s in self._others}
        self._pending: deque[tuple[int, Sample]] = deque(maxlen=8)
        self._newest: dict[str, int] = {}
        self._due: int | None = None

    def push(self, stream: str, stamp: int, sample: Sample) -> list[Frame]:
        """Add a sample (see `messages.decode`) and return the frames that it completes, oldest first."""
        newest = self._newest.get(stream)
        if newest is not None and stamp <= newest:
            if stamp > newest - _JUMP_NS:
                self.ignored[stream] += 1
                return []
            self.reset()
        self._newest[stream] = stamp
        if stream != self._reference:
            self._queues[stream].append((stamp, sample))
        elif self._is_due(stamp):
            self._pending.append((stamp, sample))
        return self._complete()

    def _is_due(self, stamp: int) -> bool:
        """Return whether this stamp of the first camera starts a frame; keeps the mean rate at the contract's."""
        period = self.contract.period_ns
        if self._due is None:
            self._due = stamp
        if stamp < self._due - period // 10:
            return False
        late = stamp - self._due
        self._due = (stamp if late > period else self._due) + period
        return True

    def _complete(self) -> list[Frame]:
        frames = []
        while self._pending:
            stamp, images = self._pending[0]
            if any(self._newest.get(s, -1) < stamp - self._slop[s] for s in self._others):
                break
            self._pending.popleft()
            for stream in self._others:
                self._forget(stream, stamp)
            chosen = {s: self._closest(s, stamp) for s in self._others}
            missing = [s for s, sample in chosen.items() if abs(sample[0] - stamp) > self._skew]
            if missing:
                self.gaps.update(missing)
            else:
                frames.append(self._frame(stamp, {self._reference: (stamp, images), **chosen}))
        return frames

    def _closest(self, stream: str, stamp: int) -> tuple[int, Sample]:
        """Return the closest to `stamp` of the first sample no older than the slop and the one before it."""
        queue = self._queues[stream]
        first = next((i for i, (at, _) in enumerate(queue) if at >= stamp - self._slop[stream]), len(queue) - 1)
        return min(queue[max(0, first - 1)], queue[first], key=lambda sample: abs(sample[0] - stamp))

    def _forget(self, stream: str, stamp: int) -> None:
        """Drop the samples that frames from `stamp` on do not need."""
        queue = self._queues[stream]
        while len(queue) > 1 and queue[1][0] < stamp - self._slop[stream] - self._history[stream]:
            queue.popleft()

    def _frame(self, stamp: int, chosen: dict[str, tuple[int, Sample]]) -> Frame:
        parts: Counter[str] = Counter()  # parts of the proprioception so far, per stream
        values: list[np.ndarray] = []
        for part in self.contract.proprioception:
            index = parts[part.stream]
            parts[part.stream] += 1
            values.append(chosen[part.stream][1][index])
            values += [self._closest(part.stream, stamp - round(age * 1e9))[1][index] for age in part.history_s]
        images = tuple(chosen[camera.name][1][0] for camera in self.contract.cameras)
        proprioception = np.concatenate(values).astype(np.float32) if values else np.zeros(0, np.float32)
        return Frame(stamp, images, proprioception, {s: at for s, (at, _) in chosen.items()})

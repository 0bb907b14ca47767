"""Align streams into frames, one per control period, by header stamps alone.

A frame depends on the samples' stamps and not on their arrival, so a frame from a bag and one from live topics are
equal, byte for byte.
"""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.observation.messages import Sample

Lane = tuple[str, str]  # a stream and a part of it, see `Contract.parts`

_MAX_SAMPLES = 4096  # kept per part of a stream: the longest history at over 1 kHz
_MAX_PENDING = 8  # frames that wait for samples
_JUMP_NS = 1_000_000_000  # stamps that go back further than this mean a new run, less means reordered messages


@dataclass(frozen=True)
class Frame:
    """What the policy observes at one instant."""

    stamp: int  # of the first camera [ns]
    images: tuple[np.ndarray, ...]  # (height, width, 3) uint8 each, in the contract's order
    proprioception: np.ndarray  # (P,) float32
    stamps: dict[str, int]  # of each stream's sample [ns]; of its oldest part, if parts came on their own


class Aligner:
    """Takes samples, returns frames.

    The first camera's stamps, thinned to the contract's rate, are the frames' stamps. Each other stream contributes the
    sample closest to that stamp; it is known once a sample no older than the stream's slop has arrived. Joints may come
    in messages of their own, so each joint contributes its own closest sample. A frame is dropped and counted if a
    stream has no sample within the contract's skew. Values from before the frame (`history_s`) come from the samples
    closest to those times; at the start of a run, from its first sample.

    Attributes:
        ignored: samples per stream that were no newer than the previous one.
        gaps: frames dropped per stream that had no sample for them.
        dropped: frames dropped, by the streams that had no sample, as text.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.ignored: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._reference, *others = contract.streams
        self._lanes: list[Lane] = [(stream, part) for stream in others for part in contract.parts(stream)]
        self._slop = {s: contract.slop_ns(s) for s in others}
        self._history = {s: contract.history_ns(s) for s in others}
        self._skew = round(contract.max_skew_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forget all samples, for a new run."""
        self._queues: dict[Lane, deque[tuple[int, np.ndarray]]] = {s: deque(maxlen=_MAX_SAMPLES) for s in self._lanes}
        self._pending: deque[tuple[int, np.ndarray]] = deque()
        self._newest: dict[Lane, int] = {}
        self._due: int | None = None

    def push(self, stream: str, stamp: int, sample: Sample) -> list[Frame]:
        """Add a sample (see `messages.decode`) and return the frames that it completes, oldest first."""
        newest = {part: self._newest[stream, part] for part in sample if (stream, part) in self._newest}
        if any(stamp <= at - _JUMP_NS for at in newest.values()):
            self.reset()
            newest = {}
        new = [part for part in sample if part not in newest or stamp > newest[part]]
        if len(new) < len(sample):
            self.ignored[stream] += 1
        for part in new:
            self._newest[stream, part] = stamp
            if stream != self._reference:
                self._queues[stream, part].append((stamp, sample[part]))
            elif self._is_due(stamp):
                self._pending.append((stamp, sample[part]))
        return self._complete()

    def finish(self) -> None:
        """Drop the frames that still wait for samples, at the end of a run."""
        while self._pending:
            self._drop_oldest()

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
            stamp, image = self._pending[0]
            if self._awaited(stamp):
                break
            self._pending.popleft()
            for lane in self._lanes:
                self._forget(lane, stamp)
            chosen = {lane: self._closest(lane, stamp) for lane in self._lanes}
            missing = [lane for lane, (at, _) in chosen.items() if abs(at - stamp) > self._skew]
            if missing:
                self._count_dropped(missing)
            else:
                frames.append(self._frame(stamp, {(self._reference, ""): (stamp, image), **chosen}))
        while len(self._pending) > _MAX_PENDING:
            self._drop_oldest()
        return frames

    def _awaited(self, stamp: int) -> list[Lane]:
        """Return what a frame of this stamp still waits for."""
        return [
            lane
            for lane in self._lanes
            if lane not in self._newest or self._newest[lane] < stamp - self._slop[lane[0]]  # stamps may begin at 0
        ]

    def _drop_oldest(self) -> None:
        stamp, _ = self._pending.popleft()
        self._count_dropped(self._awaited(stamp))

    def _count_dropped(self, missing: list[Lane]) -> None:
        streams = list(dict.fromkeys(stream for stream, _ in missing))
        self.gaps.update(streams)
        self.dropped[", ".join(streams)] += 1

    def _closest(self, lane: Lane, stamp: int) -> tuple[int, np.ndarray]:
        """Return the closest to `stamp` of the first sample no older than the slop and the one before it."""
        queue = self._queues[lane]
        first = min(bisect_left(queue, stamp - self._slop[lane[0]], key=lambda sample: sample[0]), len(queue) - 1)
        return min(queue[max(0, first - 1)], queue[first], key=lambda sample: abs(sample[0] - stamp))

    def _forget(self, lane: Lane, stamp: int) -> None:
        """Drop the samples that frames from `stamp` on do not need."""
        queue = self._queues[lane]
        while len(queue) > 1 and queue[1][0] < stamp - self._slop[lane[0]] - self._history[lane[0]]:
            queue.popleft()

    def _frame(self, stamp: int, chosen: dict[Lane, tuple[int, np.ndarray]]) -> Frame:
        values: list[np.ndarray] = []
        for part in self.contract.proprioception:
            lanes = [(part.stream, name) for name in part.names or ("",)]
            values += [chosen[lane][1][: part.values] for lane in lanes]
            for age in part.history_s:
                values += [self._closest(lane, stamp - round(age * 1e9))[1][: part.values] for lane in lanes]
        images = tuple(chosen[camera.name, ""][1] for camera in self.contract.cameras)
        proprioception = np.concatenate(values).astype(np.float32) if values else np.zeros(0, np.float32)
        stamps: dict[str, int] = {}
        for (stream, _), (at, _) in chosen.items():
            stamps[stream] = min(at, stamps.get(stream, at))
        return Frame(stamp, images, proprioception, stamps)

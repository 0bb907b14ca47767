"""Executors of action chunks: they turn the chunk predicted for a frame into the action of that frame's step."""

from typing import Protocol

import numpy as np

from lossless_ros.models.execution import ENSEMBLE, OPEN_LOOP, Execution
from lossless_ros.models.temporal_ensemble import TemporalEnsemble


class ChunkExecutor(Protocol):
    """Return the action (A,) float32 for `stamp` [ns], given the chunk (T, A) predicted at that stamp.

    Stamps that are one control period apart follow each other; a stamp that goes back starts a new episode.
    """

    def __call__(self, stamp: int, chunk: np.ndarray) -> np.ndarray: ...


def make_chunk_executor(execution: Execution, chunk_size: int, period_ns: int) -> ChunkExecutor:
    """Return a new executor for chunks of `chunk_size` actions, one period [ns] apart."""
    if chunk_size > 1 and execution.mode == ENSEMBLE:
        return TemporalEnsemble(period_ns, execution.temporal_ensemble_coeff)
    if execution.mode == OPEN_LOOP:
        return OpenLoop(period_ns, execution.n_action_steps)
    return newest_action


def newest_action(stamp: int, chunk: np.ndarray) -> np.ndarray:
    """Return the first action of the newest chunk; an executor without memory."""
    return chunk[0]


class OpenLoop:
    """Execute `steps` actions of a chunk before the next chunk is used; the chunks in between are dropped.

    Actions are chosen by time, so a missed frame skips its action. A chunk that is used up, a pause included, and a
    stamp that goes back make room for the newest one.
    """

    def __init__(self, period_ns: int, steps: int) -> None:
        self._period, self._steps = period_ns, steps
        self._chunk = np.empty((0, 0), np.float32)
        self._start = self._last = 0  # stamps of the chunk and of the last action [ns]

    def __call__(self, stamp: int, chunk: np.ndarray) -> np.ndarray:
        step = round((stamp - self._start) / self._period)
        if not len(self._chunk) or stamp <= self._last or step >= self._steps:
            self._chunk, self._start, step = chunk, stamp, 0
        self._last = stamp
        return self._chunk[step]

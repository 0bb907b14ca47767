"""Runs the policy outside the executor: the newest frame wins, frames never queue up."""

import threading
import time
from collections.abc import Callable

from lossless_ros.observation.frames import Frame


class InferenceWorker:
    """Calls `act` with the newest submitted frame, in a thread of its own, one call at a time.

    `act` gets the frame and the time of its submission [s, time.monotonic]. `prepare` is called first, in the same
    thread: GPU libraries keep warmed-up state per thread. Both have to catch their own exceptions.
    """

    def __init__(self, act: Callable[[Frame, float], None], prepare: Callable[[], None]) -> None:
        self.skipped = 0  # frames replaced by a newer one before their turn
        self._act, self._prepare = act, prepare
        self._ready = threading.Event()
        self._condition = threading.Condition()
        self._next: tuple[Frame, float] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        self._ready.wait()

    def submit(self, frame: Frame) -> None:
        """Make `frame` the next one; it replaces a frame that is still waiting."""
        with self._condition:
            self.skipped += self._next is not None
            self._next = (frame, time.monotonic())
            self._condition.notify()

    def close(self) -> None:
        """End the thread; wait for a call of `act` in progress (at most 2 s)."""
        with self._condition:
            self._closed, self._next = True, None
            self._condition.notify()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            self._prepare()
        finally:
            self._ready.set()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._next is not None)
                if self._closed:
                    return
                assert self._next is not None
                (frame, submitted), self._next = self._next, None
            self._act(frame, submitted)

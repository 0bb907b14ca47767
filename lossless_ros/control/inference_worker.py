"""Runs the policy beside the executor: the newest frame wins, frames never queue up."""

import threading
import time
from collections.abc import Callable

from lossless_ros.observation.frames import Frame


class InferenceWorker:
    """Calls `act` with the newest frame offered, in a thread of its own, one call at a time.

    `act` gets the frame and the time [s, time.monotonic] at which it was offered. `prepare` is called first, in the
    same thread: libraries for GPUs keep what they warm up by thread. What either raises is its own to catch.
    """

    def __init__(self, act: Callable[[Frame, float], None], prepare: Callable[[], None]) -> None:
        self.skipped = 0  # frames replaced by a newer one before their turn
        self._act, self._prepare = act, prepare
        self._ready = threading.Event()
        self._condition = threading.Condition()
        self._next: tuple[Frame, float] | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        self._ready.wait()

    def submit(self, frame: Frame) -> None:
        """Make `frame` the next one, in place of one that still waits."""
        with self._condition:
            self.skipped += self._next is not None
            self._next = (frame, time.monotonic())
            self._condition.notify()

    def close(self) -> None:
        """End the thread; a call of `act` under way is waited for (at most 2 s)."""
        with self._condition:
            self._over, self._next = True, None
            self._condition.notify()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            self._prepare()
        finally:
            self._ready.set()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._over or self._next is not None)
                if self._over:
                    return
                assert self._next is not None
                (frame, offered), self._next = self._next, None
            self._act(frame, offered)

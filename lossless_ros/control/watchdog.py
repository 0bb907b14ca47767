"""A watchdog thread, independent of the executor: a callback that blocks must not delay a stop."""

import threading
from collections.abc import Callable


class Watchdog:
    """Calls `check` every `interval` [s] until closed.

    An exception of `check` does not end the thread: `on_failure` gets it, and the next turn tries again.
    """

    def __init__(self, check: Callable[[], None], on_failure: Callable[[Exception], None], interval: float) -> None:
        self._check, self._on_failure, self._interval = check, on_failure, interval
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; wait for a check in progress (at most 2 s)."""
        self._closed.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self._check()
            except Exception as error:
                self._on_failure(error)

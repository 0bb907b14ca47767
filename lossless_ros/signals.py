"""Signals that are noticed at once, also while the main thread is in a call that takes none."""

import signal
import socket
import threading
from collections.abc import Callable, Iterable


class Interrupted(Exception):
    """Somebody wants the work to end; what is finished is kept."""


def watch_signals(numbers: Iterable[int], on_first: Callable[[], object]) -> None:
    """Call `on_first` once, in a thread of its own, when one of these signals arrives.

    Python calls a signal's handler when the main thread gets back to Python code, which can be seconds later. The
    handlers themselves are not changed; a signal without one is not noticed. To be called in the main thread.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    expected = frozenset(int(number) for number in numbers)

    def wait(writer: socket.socket) -> None:  # it keeps its end open
        while reader.recv(1)[0] not in expected:
            pass
        on_first()

    threading.Thread(target=wait, args=(writer,), name="signals", daemon=True).start()

"""Signals that are noticed at once, also while the main thread is in a call that takes none."""

import os
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
    A process that is forked from this one handles these signals by default, and they are not taken for this one's.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    numbers = tuple(numbers)
    expected = frozenset(int(number) for number in numbers)

    def wait(writer: socket.socket) -> None:  # it keeps its end open
        while reader.recv(1)[0] not in expected:
            pass
        on_first()

    _forget_in_forked_processes(numbers)
    threading.Thread(target=wait, args=(writer,), name="signals", daemon=True).start()


def _forget_in_forked_processes(numbers: tuple[int, ...]) -> None:
    """Give the signals their default effect in processes that are forked from this one, from their first moment on."""
    of_thread = threading.local()

    def block() -> None:
        of_thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, of_thread.mask)

    def forget() -> None:
        signal.set_wakeup_fd(-1)
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=forget)

"""Log lines that hold up nothing, whoever reads them or does not."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65536
_LAST_WORDS_S = 1.0


@contextmanager
def unblocked_stderr() -> Iterator[None]:
    """Standard error never waits for its reader; lines that find no room are dropped.

    A full pipe or a terminal held by Ctrl-S would else stop the thread that logs, and a robot's driver with it. Lines
    go through a pipe of the process's own, from which a thread hands them on.
    """
    if os.isatty(2):
        os.environ.setdefault("RCUTILS_COLORIZED_OUTPUT", "1")  # rcutils sees only the pipe
    sys.stderr.flush()
    theirs = os.dup(2)
    inside, ours = os.pipe()
    os.set_blocking(ours, False)
    os.dup2(ours, 2)
    os.close(ours)
    pump = threading.Thread(target=_hand_on, args=(inside, theirs), name="stderr", daemon=True)
    pump.start()
    try:
        yield
    finally:
        os.dup2(theirs, 2)  # closes the pipe's end: the thread hands on what is left and ends
        pump.join(timeout=_LAST_WORDS_S)


def _hand_on(inside: int, theirs: int) -> None:
    while chunk := os.read(inside, _CHUNK):
        with suppress(OSError):  # nobody reads it any more
            while chunk:
                chunk = chunk[os.write(theirs, chunk) :]
    os.close(inside)
    os.close(theirs)

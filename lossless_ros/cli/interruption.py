"""Ctrl-C: a command ends within three seconds, and says what is kept and how to go on."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from lossless_ros.signals import watch_signals

EXIT_CODE = 130
_GRACE_S = 2.0  # for the work in hand, for example a call into a library that takes no signals
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_kept: list[Callable[[], str]] = []  # what running work leaves if it is interrupted, innermost last


@contextlib.contextmanager
def keeping(what: Callable[[], str]) -> Iterator[None]:
    """Let an interruption of the block say what is kept and how to go on; `what` is asked then."""
    _kept.append(what)
    yield
    _kept.pop()  # not after an error: `end` needs it


def watch() -> None:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt, and end the process if that takes too long."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    watch_signals(_SIGNALS, _end_soon)


def end() -> None:
    """End the process after an interruption: one line, no waiting for threads and libraries."""
    line = f"interrupted; {_kept[-1]()}" if _kept else "interrupted"
    with contextlib.suppress(OSError):
        print(f"lossless: {line}", file=sys.stderr, flush=True)
        sys.stdout.flush()
    for process in _children():
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGTERM)
    os._exit(EXIT_CODE)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not cut the end short
    raise KeyboardInterrupt


def _end_soon() -> None:
    """End the process unless its main thread has done so, which may be in a call that takes no signals."""
    time.sleep(_GRACE_S)
    end()


def _children() -> list[int]:
    """Return the processes that this one has started and that have not ended."""
    lists = Path("/proc/self/task").glob("*/children")
    return [int(number) for file in lists for number in file.read_text().split()]

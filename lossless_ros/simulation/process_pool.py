"""Episodes over worker processes: the same function on many items, results as they come."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from lossless_ros.errors import LosslessError

Item = TypeVar("Item")
Result = TypeVar("Result")


def check_workers(workers: int | str) -> int | str:
    """A number of processes, or `ray` or `ray://HOST:PORT` as they are.

    Raises:
        LosslessError: anything else.
    """
    text = str(workers)
    if text.lstrip("-").isdecimal() and int(text) < 1:
        raise LosslessError(f"workers is {text}, expected at least 1")
    if text.isdecimal():
        return int(text)
    if text == "ray" or text.startswith("ray://"):
        return text
    raise LosslessError(f"workers is '{text}', expected a number, ray, or ray://HOST:PORT")


def run_parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    setup: Callable[..., None],
    setup_args: tuple[Any, ...],
) -> Iterator[Result]:
    """`function(item)` for every item, in `workers` fresh processes that each ran `setup(*setup_args)` once.

    Results come as they are finished. An error in one of them ends the run; what was written stays.

    Raises:
        LosslessError: a worker raised it or died.
    """
    if workers < 1:
        raise LosslessError(f"workers is {workers}, expected at least 1")
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(setup, setup_args))
    try:
        futures = [pool.submit(function, item) for item in items]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise LosslessError(
            "a worker process died (out of memory?); whole episodes are kept, run the same command to go on"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(setup: Callable[..., None], args: tuple[Any, ...]) -> None:
    """First thing in a worker: one thread each, Ctrl-C is the parent's, and no life without the parent."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    setup(*args)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Episodes over worker processes: one worker object per process, results as they are finished."""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from lossless_ros.errors import LosslessError

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerTraceback(Exception):
    """The traceback of an error in a worker process, shown as the error's cause."""


def check_workers(workers: int | str) -> int | str:
    """Return the number of processes, or `ray` or `ray://HOST:PORT` unchanged.

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
    make_worker: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield `worker(item)` for every item, as finished, from `workers` fresh processes.

    Args:
        make_worker: called once in each process; has to be picklable (a class, or `functools.partial` of one).
        items: what the workers get, one at a time.
        workers: number of processes; never more than there are items.

    Raises:
        LosslessError: a worker raised it or died. The first error ends the run; finished results were yielded.
    """
    if workers < 1:
        raise LosslessError(f"workers is {workers}, expected at least 1")
    todo = list(items)[::-1]
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, Any] = {}
    try:
        for _ in range(min(workers, len(todo))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(make_worker, theirs))
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            processes[ours] = process
            ours.send(todo.pop())
        busy = set(processes)
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                result, error = _receive(pipe)
                if error is not None:
                    raise error
                if todo:
                    pipe.send(todo.pop())
                else:
                    busy.remove(pipe)
                    pipe.close()
                yield result
    finally:
        for pipe in processes:
            pipe.close()
        for process in processes.values():  # ends after the item it works on
            process.join()


def _receive(pipe: Connection) -> tuple[Any, BaseException | None]:
    """Return a worker's result, or its error with the worker's traceback as the cause."""
    try:
        result, error, trace = pipe.recv()
    except (EOFError, ConnectionError):
        return None, LosslessError(
            "a worker process died (out of memory? in a script, is the call under if __name__ == '__main__'?); "
            "finished episodes are kept, run the same command to continue"
        )
    if error is not None:
        error.__cause__ = WorkerTraceback(f"\n{trace}")
    return result, error


def _serve(make_worker: Callable[[], Callable[[Any], Any]], pipe: Connection) -> None:
    """Work in a process of its own: one thread for numerics, Ctrl-C is left to the parent."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        worker = make_worker()
        while True:
            pipe.send((worker(pipe.recv()), None, ""))
    except (EOFError, BrokenPipeError):  # the parent wants no more
        return
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):  # the parent has ended on another worker's error
            pipe.send((None, error, traceback.format_exc()))


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Episodes over worker processes: one worker object per process, results as they are finished."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from lossless_ros.errors import LosslessError

Item = TypeVar("Item")
Result = TypeVar("Result")
_PATIENCE_S = 1.0  # with a process that was asked to end
_REPORT_S = 0.5  # between reports of a worker's steps


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
    make_worker: Callable[[], Callable[[Item], Result]],
    items: Iterable[Item],
    workers: int,
    on_steps: Callable[[int], object] = lambda count: None,
) -> Iterator[Result]:
    """Yield `worker(item)` for every item, as finished, from `workers` fresh processes.

    If the caller stops before the end, the processes end at once, whatever they do.

    Args:
        make_worker: called once in each process; has to be picklable (a class, or `functools.partial` of one).
        items: what the workers get, one at a time.
        workers: number of processes; never more than there are items.
        on_steps: called about twice a second with the number of new steps, see `report_step`.

    Raises:
        LosslessError: a worker raised it or died. The first error ends the run; finished results were yielded.
    """
    if workers < 1:
        raise LosslessError(f"workers is {workers}, expected at least 1")
    todo = list(items)[::-1]
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, Any] = {}
    complete = False
    try:
        for _ in range(min(workers, len(todo))):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(make_worker, theirs))
            with _signals_held():  # a worker that is not ready yet must not take Ctrl-C for itself
                process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            processes[ours] = process
            ours.send(todo.pop())
        busy = set(processes)
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                result, error = _receive(pipe)
                if isinstance(result, _Steps):
                    on_steps(result.count)
                    continue
                if error is not None:
                    raise error
                if todo:
                    pipe.send(todo.pop())
                else:
                    busy.remove(pipe)
                    pipe.close()
                yield result
        complete = True
    finally:
        for pipe in processes:
            pipe.close()
        for process in processes.values():
            if not complete:
                process.terminate()
        for process in processes.values():
            process.join(_PATIENCE_S)
            if process.is_alive():
                process.kill()
                process.join()


def report_step() -> None:
    """Count a step of the item that this worker process works on; elsewhere do nothing."""
    if _reporter is not None:
        _reporter.count()


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


@dataclass(frozen=True)
class _Steps:
    """Sent by a worker in place of a result."""

    count: int


class _Reporter:
    """Sends the number of steps that a worker has taken, now and then."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._steps, self._sent = pipe, 0, time.monotonic()

    def count(self) -> None:
        self._steps += 1
        if time.monotonic() - self._sent > _REPORT_S:
            self.flush()

    def flush(self) -> None:
        self._sent = time.monotonic()
        if self._steps:
            self._pipe.send((_Steps(self._steps), None, ""))
            self._steps = 0


_reporter: _Reporter | None = None  # of this process, if it is a worker


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let SIGINT wait, in this thread and in a process that is started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(make_worker: Callable[[], Callable[[Any], Any]], pipe: Connection) -> None:
    """Work in a process of its own: one thread for numerics, Ctrl-C is left to the parent."""
    global _reporter
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that unfinished recordings are removed
    _reporter = _Reporter(pipe)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        item = pipe.recv()  # before anything can fail: a pipe that is closed with unread data may lose the error
        worker = make_worker()
        while True:
            result = worker(item)
            _reporter.flush()
            pipe.send((result, None, ""))
            item = pipe.recv()
    except (EOFError, ConnectionError):  # the parent wants no more
        return
    except Exception as error:
        with contextlib.suppress(ConnectionError):  # the parent has ended on another worker's error
            pipe.send((None, _picklable(error), traceback.format_exc()))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left to remove; exceptions at exit print a traceback


def _picklable(error: Exception) -> Exception:
    """Return an error that arrives: some classes of other packages cannot be unpickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""A node as a process: signals, exit codes, and one shutdown sequence."""

import gc
import os
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Protocol

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, NameValidationException
from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lossless_ros.errors import LosslessError
from lossless_ros.ros_environment import use_profile
from lossless_ros.signals import Interrupted, watch_signals

END_S = 1.5  # after a signal: then a process ends, wherever it is, as soon as its node has stopped what moves
SIGNAL_LATENCY_S = 0.1  # longest time until a signal takes effect
_ERROR_PAUSE_S = 0.001  # after a callback that raised: other threads get their turn
USAGE_ERROR = 2  # exit code for a mistake of the user
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # the last two: the terminal was closed


class NodeApp(Protocol):
    """What `run` needs of a node."""

    @property
    def node(self) -> Node:
        """Return the node itself."""

    def start(self, done: threading.Event) -> None:
        """Prepare; called first, before callbacks are served."""

    def main_loop(self, done: threading.Event) -> int:
        """Run in the main thread, while another thread serves callbacks, until `done`; return the exit code.

        It must not block without a timeout: see `wait_for`.
        """

    def on_callback_error(self, reason: str) -> None:
        """React to a callback that raised, for example on a message that cannot be read; the error was logged.

        Called in the thread of callbacks, which goes on with the next one.
        """

    def stop(self) -> None:
        """Shut down; always called, however `main_loop` ended, while publishers still work."""


def wait_for(done: threading.Event) -> None:
    """Wait for `done` in short turns: with a policy on a GPU, signals do not interrupt a wait."""
    while not done.wait(SIGNAL_LATENCY_S):
        pass


def end_if(done: threading.Event) -> None:
    """End the work of a main loop that asks this often.

    Raises:
        Interrupted: `done` is set.
    """
    if done.is_set():
        raise Interrupted


def run(make: Callable[[], NodeApp], args: list[str] | None = None) -> int:
    """Run a node until its main loop returns or a signal comes.

    The process is expected to exit afterwards: signals stay ignored. After a signal it ends soon in any case, with exit
    code 0, also if it is loading something or a callback does not return; only `stop` is waited for.

    Returns:
        The exit code: that of `main_loop` (0 also after a signal), or 2 after a mistake of the user, which is
        printed as one line.
    """
    use_profile()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning torch threads were 20 times slower on busy cores
    done, stopping, stopped = threading.Event(), threading.Event(), threading.Event()

    def end_soon() -> None:
        done.set()
        time.sleep(END_S)
        if stopping.is_set():
            stopped.wait()
            time.sleep(SIGNAL_LATENCY_S)  # it may be about to end by itself
        os._exit(0)

    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # keep what nohup has set
            signal.signal(number, lambda *_: done.set())
    watch_signals(_SIGNALS, end_soon)
    try:
        _init(args)
        return _run(make(), done, stopping, stopped)
    except (LosslessError, InvalidParameterTypeException, NameValidationException) as error:
        with suppress(OSError):  # nothing reads standard error
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR
    finally:
        rclpy.try_shutdown()


def leave(code: int) -> NoReturn:
    """End the process at once: tearing down torch and its runtimes takes seconds, and nothing is left to do.

    First the node itself goes, which reference cycles keep: the memory that DDS shares between processes would stay in
    /dev/shm, about 100 MB.
    """
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def unblock_stderr() -> None:
    """Make standard error non-blocking, so that a stalled log reader cannot block the control loop.

    A full pipe, or a terminal stopped with Ctrl-S, would otherwise block the thread that logs; log lines that do not
    fit are dropped instead. The pipe or terminal is reopened, so that other processes that share it are not affected;
    where that is not possible, nothing changes. A socket cannot be reopened and is switched itself.
    """
    with suppress(OSError):
        mode = os.fstat(2).st_mode
        if stat.S_ISSOCK(mode):
            os.set_blocking(2, False)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            reopened = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.dup2(reopened, 2)
            os.close(reopened)


def _describe(error: Exception) -> str:
    """Return an error in one line, with the place in the code that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} ({Path(frame.filename).name}:{frame.lineno})"


def _init(args: list[str] | None) -> None:
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy has no public exception for invalid arguments
        raise LosslessError(f"invalid ROS arguments: {error}") from None


def _run(app: NodeApp, done: threading.Event, stopping: threading.Event, stopped: threading.Event) -> int:
    """Run the node's parts; `stopping` and `stopped` are set around its `stop`."""
    executor = SingleThreadedExecutor()
    executor.add_node(app.node)
    failures: list[BaseException] = []

    def spin_once() -> None:
        try:
            executor.spin_once(timeout_sec=0.5)
        except (ExternalShutdownException, ShutdownException):
            raise
        except Exception as error:  # no message may end the node
            if not stopping.is_set():
                reason = f"a callback failed: {_describe(error)}"
                app.node.get_logger().error(reason, throttle_duration_sec=2.0)
                app.on_callback_error(reason)
                done.wait(_ERROR_PAUSE_S)

    def serve() -> None:
        try:
            while not stopped.is_set():
                spin_once()
        except ExternalShutdownException:
            pass
        except BaseException as error:
            if not stopping.is_set():  # during shutdown a callback may use what is already destroyed
                failures.append(error)
        finally:
            done.set()

    server = threading.Thread(target=serve, name="executor", daemon=True)
    try:
        app.start(done)
        server.start()
        code = app.main_loop(done)
    finally:
        # A second signal (launch and terminals send several) must not cut the shutdown short.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stopping.set()
        app.stop()
        stopped.set()
        executor.wake()
        if server.ident is not None:
            server.join(timeout=5.0)
        executor.shutdown()
        app.node.destroy_node()
    if failures:
        raise failures[0]
    return code

"""A node as a process: signals, exit codes, one way down."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import rclpy
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lossless_ros.errors import LosslessError
from lossless_ros.ros_environment import use_profile

SIGNAL_LATENCY_S = 0.1  # until a signal is heeded, at most
WRONG_USE = 2  # exit code for the user's mistakes
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # the last two: a terminal that is closed


class NodeApp(Protocol):
    """What `run` asks of a node."""

    @property
    def node(self) -> Node: ...

    def start(self, done: threading.Event) -> None:
        """Called first, while callbacks are not served yet."""

    def main_loop(self, done: threading.Event) -> int:
        """What the main thread does while another one serves callbacks, until `done`; returns the exit code.

        It must not wait without an end: see `wait_for`.
        """

    def stop(self) -> None:
        """The one way down: called whatever ended the work, while publishers still publish."""


def wait_for(done: threading.Event) -> None:
    """Until `done`, in turns: with a policy on a GPU, SIGINT and SIGTERM interrupt no wait and are heeded after it."""
    while not done.wait(SIGNAL_LATENCY_S):
        pass


def run(make: Callable[[], NodeApp], args: list[str] | None = None) -> int:
    """Run a node until its work is done or a signal comes. The process is meant to end then: signals stay ignored.

    Returns:
        The exit code: that of `work` (0 also for a signal), or 2 for a mistake of the user's, told in one line.
    """
    use_profile()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads of torch took 20 times as long on busy cores
    done = threading.Event()
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            signal.signal(number, lambda *_: done.set())
    try:
        _init(args)
        return _run(make(), done)
    except (LosslessError, InvalidParameterTypeException) as error:
        with suppress(OSError):  # nobody reads it
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG_USE
    finally:
        rclpy.try_shutdown()


def _init(args: list[str] | None) -> None:
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy has no public class for wrong arguments
        raise LosslessError(f"ROS arguments cannot be used: {error}") from None


def _run(app: NodeApp, done: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(app.node)
    leaving, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            while not over.is_set():
                executor.spin_once(timeout_sec=0.5)
        except ExternalShutdownException:
            pass
        except BaseException as error:
            if not leaving.is_set():  # on the way down a callback may meet what is already destroyed
                failures.append(error)
        finally:
            done.set()

    server = threading.Thread(target=serve, name="executor", daemon=True)
    try:
        app.start(done)
        server.start()
        code = app.main_loop(done)
    finally:
        # From here on a second signal (launch and terminals send several) must not cut the way down short.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        leaving.set()
        app.stop()
        over.set()
        executor.wake()
        if server.ident is not None:
            server.join(timeout=5.0)
        executor.shutdown()
        app.node.destroy_node()
    if failures:
        raise failures[0]
    return code

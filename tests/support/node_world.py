"""Real nodes as processes, in a ROS domain and namespace of their own."""

import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lossless_ros.ros_environment import stay_on_this_machine, use_profile
from tests.support.robot_stub import PATIENCE_S, ControllerStub, RobotStub, wait_until


class NodeWorld:
    """A ROS domain and a namespace, loopback only; `close` ends the processes in it.

    Nodes run in this interpreter with its import path, or in another one.
    """

    def __init__(self, python: str = sys.executable, path: Sequence[str] | None = None) -> None:
        self._python = python
        path = sys.path if path is None else path  # a copy from before would miss what importing cv2 adds
        self.domain_id = random.SystemRandom().randint(1, 101)
        self.namespace = f"/test_{secrets.token_hex(4)}"
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in path if folder)}
        for environment in (self._environment, os.environ):  # of the processes, and of the stubs in this process
            stay_on_this_machine(environment, self.domain_id)
            use_profile(environment)
        self._processes: list[subprocess.Popen[str]] = []
        self._closing: list[Callable[[], None]] = []

    def wait_until(self, condition: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
        """Return the first true value of `condition`; fail after `patience` [s], or if a process fails meanwhile.

        A failure shows what the processes printed.
        """

        def alive_and_true() -> Any:
            for process in self._processes:
                assert not process.poll(), process.communicate()[1]
            return condition()

        try:
            return wait_until(alive_and_true, patience)
        except AssertionError as error:
            for process in self._processes:
                process.kill()
                error.add_note(process.communicate()[1][-2000:])
            raise

    def start(self, name: str, *remaps: str, fault: str = "", **parameters: Any) -> "subprocess.Popen[str]":
        """Start a node of the package with parameters (`__` in a name stands for a dot).

        `fault` is a module of tests.support.faults that its process imports first.
        """
        if name == "inference_node":
            # A slow machine must not cause stops, nor build a graph each time; a robot's file decides about dry_run.
            defaults = {"safety__deadline": 10.0, **self.inference_device(), "dry_run": "robot" in parameters}
            parameters = defaults | parameters
        arguments = [
            w for key, value in parameters.items() for w in ("-p", f"{key.replace('__', '.')}:={_text(value)}")
        ]
        arguments += [w for rule in (f"__ns:={self.namespace}", *remaps) for w in ("-r", rule)]
        program = ["-m", f"lossless_ros.nodes.{name}"]
        if fault:
            imports = f"import sys, tests.support.faults.{fault}\nfrom lossless_ros.nodes.{name} import main"
            program = ["-c", f"{imports}\nsys.exit(main())"]
        process = subprocess.Popen(
            [self._python, *program, "--ros-args", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    @staticmethod
    def inference_device() -> dict[str, str]:
        """Return device and runtime of an inference node for which a test does not set them: a GPU if available."""
        import torch

        gpu = torch.cuda.is_available()
        return {"device": "cuda" if gpu else "cpu", "runtime": "cuda_graph" if gpu else "torch"}

    def robot(self, **options: Any) -> RobotStub:
        """Return a running robot stub."""
        robot = RobotStub(self.domain_id, self.namespace, **options)
        self._closing.append(robot.close)
        return robot

    def stub(self, kind: type[Any]) -> Any:
        """Return a running stub of a class of tests.support.robot_stub, or of one derived from them."""
        stub = kind(self.domain_id, self.namespace)
        self._closing.append(stub.close)
        return stub

    def controller(self, answering: bool = True) -> ControllerStub:
        """Return a running controller stub for a simulated robot."""
        controller = ControllerStub(self.domain_id, self.namespace, answering)
        self._closing.append(controller.close)
        return controller

    def close(self) -> None:
        """End stubs and processes."""
        for close in self._closing:
            close()
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

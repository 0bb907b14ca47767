"""Nodes of this package as processes that reach only each other: own domain and namespace, loopback only."""

import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossless_ros.ros_environment import stay_on_this_machine, use_profile

SHUTDOWN_TIMEOUT_S = 10.0  # a process that has not ended this long after SIGTERM is killed


class NodeProcesses:
    """A context manager that ends its processes.

    Args:
        folder: for parameter files and logs.
        environment: variables for the processes, besides this process's own.

    Attributes:
        environment: all variables of the processes, which name their ROS domain.
        namespace: of the nodes.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        path = os.pathsep.join(path for path in sys.path if path)
        self.environment = {**os.environ, "PYTHONPATH": path, **environment}
        stay_on_this_machine(self.environment, random.SystemRandom().randint(1, 101))
        use_profile(self.environment)
        # Two evaluations may draw the same ROS domain ID; in different namespaces they still do not meet.
        self.namespace = namespace = f"/evaluation_{secrets.token_hex(4)}"
        remaps = {"__ns": namespace, "/clock": f"{namespace}/clock", "/diagnostics": f"{namespace}/diagnostics"}
        self._remaps = [word for old, new in remaps.items() for word in ("-r", f"{old}:={new}")]

    def start(self, name: str, parameters: dict[str, Any]) -> None:
        """Start the node `lossless_ros.nodes.<name>` with its parameters; its output goes to a file."""
        path = self._folder / f"{name}.yaml"
        path.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))
        command = [sys.executable, "-m", f"lossless_ros.nodes.{name}", "--ros-args", *self._remaps]
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*command, "--params-file", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    def ended(self) -> list[str]:
        """Return the names of the processes that have ended, those that failed first."""
        names = [name for name, process in self._processes.items() if process.poll() is not None]
        return sorted(names, key=lambda name: self._processes[name].returncode == 0)

    def last_line(self, name: str) -> str:
        """Return the last line of a process's output."""
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        if not lines:
            return f"no output, exit code {self._processes[name].returncode}"
        return lines[-1].removeprefix("error: ")

    def __enter__(self) -> "NodeProcesses":
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes.values():
            process.terminate()
        end = time.monotonic() + SHUTDOWN_TIMEOUT_S
        for process in self._processes.values():
            try:
                process.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

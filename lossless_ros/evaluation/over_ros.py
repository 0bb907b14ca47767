"""Closed-loop evaluation over ROS 2: the simulated robot and the inference node as two processes, in lock step."""

import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lossless_ros import __version__
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import check_world, summarize
from lossless_ros.models.bundle import read_bundle
from lossless_ros.ros_environment import stay_on_this_machine, use_profile
from lossless_ros.simulation.episode import check_numbers

SHUTDOWN_TIMEOUT_S = 10.0  # a process that has not ended this long after SIGTERM is killed


def evaluate_over_ros(
    task: str | None,
    domain: str,
    episodes: int,
    seed: int,
    bundle: Path,
    device: str = "auto",
    runtime: str = "torch",
    timeout: float = 120.0,
    steps: int = 0,
    record: Path | None = None,
    mode: str = "lock_step",
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
) -> dict[str, Any]:
    """Success at the end of `episodes` episodes with seeds from `seed` on, every step over real topics.

    `mode` is that of the simulated robot: lock_step waits for the command of every step, real_time does not.

    `steps` ends episodes early (0: the task's own length).
    `record` is a folder for what the policy drove, a rosbag2 folder per episode.
    `timeout` is how long the simulated robot waits for the inference node, or for one of its commands [s].

    Returns:
        The document of `evaluation.rollout.evaluate`, and latency_ms {p50, p99, max}: from the begin of publishing
        an observation to the arrival of the command that answers it, seen from the robot; latencies_ms: all of them.

    Raises:
        LosslessError: wrong argument, or one of the processes failed; the message has its last line.
    """
    metadata = read_bundle(bundle)
    task = task or metadata.task
    check_world(task, domain)
    check_numbers(episodes, seed)
    with tempfile.TemporaryDirectory(prefix="lossless_over_ros_") as folder:
        contract, result = Path(folder, "contract.yaml"), Path(folder, "result.json")
        contract.write_text(metadata.contract.to_json())
        world = {"task": task, "domain": domain, "contract": str(contract), "seed": seed, "episodes": episodes}
        robot = {**world, "steps": steps, "mode": mode, "result": str(result), "timeout": timeout}
        if record:
            robot["record"] = str(record.resolve())
        policy = {
            "bundles": str(bundle.resolve()),
            "robot": "sim",
            "device": device,
            "runtime": runtime,
            "autostart": True,
            "dry_run": False,
            "use_sim_time": True,
        }
        with _Nodes(Path(folder)) as nodes:
            nodes.start("inference_node", policy)
            nodes.start("sim_robot_node", robot)
            document = _follow(nodes, result, on_progress)
    return summarize(task, domain, document["episodes"]) | {
        "latency_ms": document["latency_ms"],
        "latencies_ms": document["latencies_ms"],
        "bundle": str(bundle),
        "expert": None,
        "runtime": runtime,
        "over_ros": True,
        "version": __version__,
    }


def _follow(nodes: "_Nodes", result: Path, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Wait for the finished score, telling each episode as it comes."""
    told = 0
    while True:
        ended = nodes.ended()
        document: dict[str, Any] = {"episodes": [], "finished": False}
        if result.exists():
            document = json.loads(result.read_text())
        for episode in document["episodes"][told:]:
            on_progress(episode)
        told = len(document["episodes"])
        if document["finished"]:
            return document
        if ended:
            raise LosslessError(f"{ended[0]} ended before the last episode: {nodes.last_line(ended[0])}")
        time.sleep(0.1)


class _Nodes:
    """Node processes that hear only each other: a domain and a namespace of their own, loopback only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        stay_on_this_machine(self._environment, random.SystemRandom().randint(1, 101))
        use_profile(self._environment)
        # Two evaluations may draw the same domain; in another namespace they still do not meet.
        namespace = f"/evaluation_{secrets.token_hex(4)}"
        remaps = {"__ns": namespace, "/clock": f"{namespace}/clock", "/diagnostics": f"{namespace}/diagnostics"}
        self._remaps = [word for old, new in remaps.items() for word in ("-r", f"{old}:={new}")]

    def start(self, name: str, parameters: dict[str, Any]) -> None:
        """Start the node `name` of this package; its output goes to a file."""
        path = self._folder / f"{name}.yaml"
        path.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))
        command = [sys.executable, "-m", f"lossless_ros.nodes.{name}", "--ros-args", *self._remaps]
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*command, "--params-file", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    def ended(self) -> list[str]:
        """Names of the processes that are not running any more, those that failed first."""
        names = [name for name, process in self._processes.items() if process.poll() is not None]
        return sorted(names, key=lambda name: self._processes[name].returncode == 0)

    def last_line(self, name: str) -> str:
        """What a process said last."""
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return (
            lines[-1].removeprefix("error: ") if lines else f"no output, exit code {self._processes[name].returncode}"
        )

    def __enter__(self) -> "_Nodes":
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

"""Is the inference node stable over an hour? A robot at 20 Hz whose cameras fail now and then.

    python -m benchmarks.soak --minutes 60 --json soak.json

The node is a process of its own; the robot is a plain ROS 2 program in this process. The cameras fail every `--every`
seconds. The node has to stop the arm within `--patience` seconds, and has to move it again when the cameras are back.
Memory is the node's resident set; its trend is a straight line through the samples after the first fifth of the time.
The file is rewritten after every camera failure, so that an interrupted run keeps its results.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.files import write_atomically
from tests.support.node_policies import write_policy
from tests.support.node_world import NodeWorld
from tests.support.robot_stub import RobotStub

SAMPLE_S = 1.0
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20

OnProgress = Callable[[dict[str, Any]], object]


def soak(
    minutes: float,
    every: float,
    patience: float,
    runtime: str,
    folder: Path,
    on_progress: OnProgress = lambda result: None,
) -> dict[str, Any]:
    """Run the node and fail its cameras every `every` seconds.

    Args:
        patience: seconds after which a stop counts as missed.
        folder: for the policy.
        on_progress: gets the results so far after every camera failure.

    Returns:
        minutes, commands, stops {expected, missed, after_ms}, memory_mb {first, last, largest, per_hour} and what the
        node's diagnostics say.
    """
    bundle = write_policy(folder / "policy.safetensors", "rgb_stacking/triplet1", seed=1)
    world = NodeWorld()
    try:
        robot = world.robot()
        node = world.start("inference_node", bundles=bundle, autostart=True, device="cpu", runtime=runtime)
        world.wait_until(lambda: robot.moving and robot.diagnostics)
        run = _Run(world, robot, node)
        while run.minutes < minutes:
            run.rest(min(every, 60 * (minutes - run.minutes)))
            run.fail_cameras(patience)
            on_progress(run.result())
        return run.result()
    finally:
        world.close()


class _Run:
    """A robot and a node that works, and what was measured so far."""

    def __init__(self, world: NodeWorld, robot: RobotStub, node: "subprocess.Popen[str]") -> None:
        self._world, self._robot, self._node = world, robot, node
        self._start = time.monotonic()
        self._first_command = len(robot.commands)
        self._memory: list[tuple[float, float]] = []  # time [s], resident set [MB]
        self._stops_ms: list[float] = []  # from the camera failure to the stop
        self._failures = 0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._start) / 60

    def rest(self, seconds: float) -> None:
        """Let the node work and sample its memory."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._memory.append((time.monotonic() - self._start, _resident_mb(self._node.pid)))
            time.sleep(SAMPLE_S)

    def fail_cameras(self, patience: float) -> None:
        """Switch the cameras off until the arm stops, at most `patience` seconds, then on until it moves again."""
        self._wait_until_moving()
        self._failures += 1
        self._robot.cameras, failed = False, time.monotonic()
        while self._robot.moving and time.monotonic() < failed + patience:
            time.sleep(0.005)
        if not self._robot.moving:
            self._stops_ms.append(1e3 * (time.monotonic() - failed))
        self._robot.cameras = True
        self._wait_until_moving()

    def result(self) -> dict[str, Any]:
        """Return the results so far."""
        report = self._robot.diagnostics[-1]
        return {
            "minutes": self.minutes,
            "commands": len(self._robot.commands) - self._first_command,
            "stops": {
                "expected": self._failures,
                "missed": self._failures - len(self._stops_ms),
                "after_ms": percentiles(self._stops_ms) if self._stops_ms else None,
            },
            "stops_by_kind": report["stops by kind"],
            "latency_ms": report["frame to command p50/p99/max [ms]"],
            "memory_mb": _memory_summary(self._memory),
            "load": os.getloadavg()[2],
            "runtime": report["runtime"],
        }

    def _wait_until_moving(self) -> None:
        """Wait for the arm to move; fail with the state of the node if it does not."""
        try:
            self._world.wait_until(lambda: self._robot.moving)
        except AssertionError as error:
            state = f"exit code {self._node.poll()}, diagnostics {self._robot.diagnostics[-1]}"
            raise AssertionError(f"the arm does not move again; node: {state}") from error


def _resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def _memory_summary(samples: list[tuple[float, float]]) -> dict[str, float]:
    settled = np.array(samples[len(samples) // 5 :])
    slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] if len(settled) > 2 else 0.0
    memory = [mb for _, mb in samples]
    return {"first": memory[0], "last": memory[-1], "largest": max(memory), "per_hour": 3600 * float(slope)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between camera failures")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds until a stop counts as missed")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()

    def store(result: dict[str, Any]) -> None:
        if options.json:
            write_atomically(options.json, (json.dumps(result) + "\n").encode())

    with tempfile.TemporaryDirectory() as folder:
        result = soak(
            minutes=options.minutes,
            every=options.every,
            patience=options.patience,
            runtime=options.runtime,
            folder=Path(folder),
            on_progress=store,
        )
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

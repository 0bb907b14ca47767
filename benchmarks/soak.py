"""Does the inference node stay what it is? A robot at 20 Hz for an hour, with cameras that fail now and then.

    python -m benchmarks.soak --minutes 60 --json benchmarks/soak.json

The node runs as a process, the robot is a plain ROS 2 program in this one. Every `--every` seconds its cameras fall
silent; the arm has to be told to stop within `--patience` seconds, and has to move again when they are back. Memory is
the node's resident set; its slope is a straight line through the samples after the first fifth of the time. The file is
written anew after every failure of the cameras, so that a run that is cut off keeps what it saw.
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

Tell = Callable[[dict[str, Any]], object]


def soak(
    minutes: float, every: float, patience: float, runtime: str, folder: Path, tell: Tell = lambda result: None
) -> dict[str, Any]:
    """The document: commands, stops {expected, missed, after_ms}, memory_mb {first, last, largest, per_hour}.

    `tell` gets it after every failure of the cameras, as far as it has come.
    """
    bundle = write_policy(folder / "policy.safetensors", "rgb_stacking/triplet1", seed=1)
    world = NodeWorld()
    try:
        robot = world.robot()
        node = world.start("inference_node", bundles=bundle, autostart=True, device="cpu", runtime=runtime)
        world.wait_until(lambda: robot.moving and robot.diagnostics)
        return _run(world, robot, node, minutes, every, patience, tell)
    finally:
        world.close()


def _run(
    world: NodeWorld,
    robot: RobotStub,
    node: "subprocess.Popen[str]",
    minutes: float,
    every: float,
    patience: float,
    tell: Tell,
) -> dict[str, Any]:
    begin = time.monotonic()
    samples: list[tuple[float, float]] = []
    after: list[float] = []
    expected, first, result = 0, len(robot.commands), {}
    while time.monotonic() < begin + 60 * minutes:
        calm = min(time.monotonic() + every, begin + 60 * minutes)
        while time.monotonic() < calm:
            samples.append((time.monotonic() - begin, _memory(node.pid)))
            time.sleep(SAMPLE_S)
        _wait_until_moving(world, robot, node)
        expected += 1
        robot.cameras, broken = False, time.monotonic()
        while robot.moving and time.monotonic() < broken + patience:
            time.sleep(0.005)
        if not robot.moving:
            after.append(1e3 * (time.monotonic() - broken))
        robot.cameras = True
        _wait_until_moving(world, robot, node)
        report = robot.diagnostics[-1]
        times = percentiles(after) if after else None
        result = {
            "minutes": (time.monotonic() - begin) / 60,
            "commands": len(robot.commands) - first,
            "stops": {"expected": expected, "missed": expected - len(after), "after_ms": times},
            "stops_by_kind": report["stops by kind"],
            "latency_ms": report["frame to command p50/p99/max [ms]"],
            "memory_mb": _summary(samples),
            "load": os.getloadavg()[2],
            "runtime": report["runtime"],
        }
        tell(result)
    return result


def _wait_until_moving(world: NodeWorld, robot: RobotStub, node: "subprocess.Popen[str]") -> None:
    """The arm moves again, or the run ends with what the node says."""
    try:
        world.wait_until(lambda: robot.moving)
    except AssertionError as error:
        state = f"exit code {node.poll()}, diagnostics {robot.diagnostics[-1]}"
        raise AssertionError(f"the arm does not move again; node: {state}") from error


def _memory(pid: int) -> float:
    """Resident set [MB]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def _summary(samples: list[tuple[float, float]]) -> dict[str, float]:
    settled = np.array(samples[len(samples) // 5 :])
    slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] if len(settled) > 2 else 0.0
    memory = [mb for _, mb in samples]
    return {"first": memory[0], "last": memory[-1], "largest": max(memory), "per_hour": 3600 * float(slope)}


def _text(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between failures of the camera")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds until a stop counts as missed")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = (options.minutes, options.every, options.patience, options.runtime, Path(folder))
        result = soak(*parts, lambda so_far: options.json and write_atomically(options.json, _text(so_far).encode()))
    print(_text(result), end="")


if __name__ == "__main__":
    main()

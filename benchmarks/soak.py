"""Does the inference node stay what it is? A robot at 20 Hz for an hour, with cameras that fail now and then.

    python -m benchmarks.soak --minutes 60 --json benchmarks/soak.json

The node runs as a process, the robot is a plain ROS 2 program in this one. Every `--every` seconds its cameras fall
silent; the arm has to be told to stop within `--patience` seconds, and has to move again when they are back. Memory is
the node's resident set; its slope is a straight line through the samples after the first fifth of the time.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.evaluation.statistics import percentiles
from tests.ros.conftest import World, write_policy
from tests.ros.peers import Robot

SAMPLE_S = 1.0
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def soak(minutes: float, every: float, patience: float, runtime: str, folder: Path) -> dict[str, Any]:
    """The document: commands, stops {expected, missed, after_ms}, memory_mb {first, last, largest, per_hour}."""
    bundle = write_policy(folder / "policy.safetensors", "rgb_stacking/triplet1", seed=1)
    world = World()
    try:
        robot = world.robot()
        node = world.start("inference_node", bundles=bundle, autostart=True, device="cpu", runtime=runtime)
        world.wait_until(lambda: robot.moving and robot.diagnostics)
        return _run(world, robot, node.pid, minutes, every, patience) | {"runtime": robot.diagnostics[-1]["runtime"]}
    finally:
        world.close()


def _run(world: World, robot: Robot, pid: int, minutes: float, every: float, patience: float) -> dict[str, Any]:
    begin = time.monotonic()
    samples: list[tuple[float, float]] = []
    after: list[float] = []
    expected, first = 0, len(robot.commands)
    while time.monotonic() < begin + 60 * minutes:
        calm = min(time.monotonic() + every, begin + 60 * minutes)
        while time.monotonic() < calm:
            samples.append((time.monotonic() - begin, _memory(pid)))
            time.sleep(SAMPLE_S)
        world.wait_until(lambda: robot.moving)
        expected += 1
        robot.cameras, broken = False, time.monotonic()
        while robot.moving and time.monotonic() < broken + patience:
            time.sleep(0.005)
        if not robot.moving:
            after.append(1e3 * (time.monotonic() - broken))
        robot.cameras = True
        world.wait_until(lambda: robot.moving)
    report = robot.diagnostics[-1]
    return {
        "minutes": minutes,
        "commands": len(robot.commands) - first,
        "stops": {"expected": expected, "missed": expected - len(after), "after_ms": percentiles(after)},
        "stops_by_kind": report["stops by kind"],
        "latency_ms": report["frame to command p50/p99/max [ms]"],
        "memory_mb": _summary(samples),
        "load": os.getloadavg()[2],
    }


def _memory(pid: int) -> float:
    """Resident set [MB]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def _summary(samples: list[tuple[float, float]]) -> dict[str, float]:
    settled = np.array(samples[len(samples) // 5 :])
    slope = np.polyfit(settled[:, 0], settled[:, 1], 1)[0] if len(settled) > 2 else 0.0
    memory = [mb for _, mb in samples]
    return {"first": memory[0], "last": memory[-1], "largest": max(memory), "per_hour": 3600 * float(slope)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between failures of the camera")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds until a stop counts as missed")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(options.minutes, options.every, options.patience, options.runtime, Path(folder))
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()

"""The guard in irregular time: commands late, early or missing, poses stale or noisy. No limit is exceeded.

A plant follows the commands exactly and without delay, so that every excess is the guard's. Actions are random and
seeded: a seed names a sequence.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lossless_ros.contract import Axis, load_contract
from lossless_ros.control.guard import Guard
from lossless_ros.control.limits import Limits, LimitSettings

ACTION = load_contract("rgb_stacking").action
COMMANDS = 80  # per sequence
LATENCY_S = 0.01  # from a frame to its command, at least


@dataclass(frozen=True)
class Case:
    """What is irregular; the times are in control periods."""

    frame_period: float = 1.0
    jitter: float = 0.0  # of a frame's stamp, in either direction
    latency: float = 0.0  # of a command after its frame, at most
    staleness: float = 0.0  # of a pose at the frame
    drop: float = 0.0  # probability that 1 to 4 frames are missing
    noise: float = 0.0  # of a pose [m]


CASES = {
    "ideal": Case(),
    "stale": Case(staleness=1.0),
    "very stale": Case(staleness=3.0, latency=1.0),  # up to the largest age that the node accepts
    "jitter": Case(jitter=0.4, latency=0.6),
    "30 Hz": Case(frame_period=2 / 3),
    "dropped": Case(drop=0.3),
    "noise": Case(noise=0.001),
    "all": Case(frame_period=2 / 3, jitter=0.3, latency=0.8, staleness=1.0, drop=0.3, noise=0.001),
}


@dataclass(frozen=True)
class Robot:
    """Limits of a robot, and its contract's timing."""

    velocity: float  # m/s
    acceleration: float  # m/s^2
    jerk: float  # m/s^3
    period: float  # s
    max_age: float  # s
    size: float  # of the workspace [m]


SAWYER = Robot(0.07, 0.5, 5.0, 0.05, 0.2, 0.2)
ROBOTS = {
    "sawyer": SAWYER,
    "sawyer without a jerk limit": replace(SAWYER, jerk=np.inf),
    "fast and rare": Robot(1.5, 3.0, 20.0, 0.5, 0.6, 4.0),
    "weak": Robot(0.2, 0.1, 0.3, 0.05, 0.2, 1.0),
}


@dataclass
class Excess:
    """By how much limits were exceeded; 0 or less if they were not."""

    wall: float = -np.inf  # m
    velocity: float = -np.inf  # m/s
    acceleration: float = -np.inf  # of the limit
    jerk: float = -np.inf  # of the limit


def actions(rng: np.random.Generator, robot: Robot) -> np.ndarray:
    """Return actions that head for the walls: a random direction for some time, at a random speed."""
    directions = rng.choice([-1, 1], (COMMANDS // 16 + 1, 3)).repeat(16, axis=0)[:COMMANDS]
    shares = np.where(rng.random((COMMANDS, 3)) < 0.7, 1.0, rng.uniform(-1, 1, (COMMANDS, 3)))
    return np.hstack([robot.velocity * directions * shares, np.zeros((COMMANDS, 1)), np.ones((COMMANDS, 1))])


def run(robot: Robot, case: Case, seed: int) -> Excess:
    """Drive the plant by the guard's commands; a watchdog stops it as the node's does."""
    rng = np.random.default_rng(seed)
    box = np.array([[0.0] * 3, [robot.size] * 3])
    settings = LimitSettings(
        linear_acceleration=robot.acceleration, linear_jerk=robot.jerk, workspace=tuple(box.ravel())
    )
    action = replace(
        ACTION, axes=tuple(Axis(a.axis, robot.velocity if "linear" in a.axis else 1.0) for a in ACTION.axes)
    )
    guard = Guard(Limits.for_action(action, settings), robot.period, hold=robot.max_age + robot.period)
    times, positions = [-100.0, 0.0], [rng.uniform(0.1, 0.9, 3) * robot.size] * 2  # where the plant was at what time
    found, velocity, rise, sent, frame, limit = Excess(), np.zeros(3), np.zeros(3), -np.inf, 0.0, 0.0

    def move_until(time: float) -> None:
        positions.append(positions[-1] + velocity * (time - times[-1]))
        times.append(time)
        found.wall = max(found.wall, float(np.max(np.abs(positions[-1] - robot.size / 2) - robot.size / 2)))

    for wanted in actions(rng, robot):
        frame += robot.period * case.frame_period * (1 + (rng.integers(1, 5) if rng.random() < case.drop else 0))
        stamp = frame + robot.period * case.jitter * rng.uniform(-1, 1)
        now = max(stamp + LATENCY_S * robot.period + robot.period * case.latency * rng.random(), times[-1] + 1e-3)
        if limit < now and velocity.any():  # the watchdog
            move_until(limit)
            guard.stop("watchdog", "no command")
            velocity, rise, sent = np.zeros(3), np.zeros(3), -np.inf
        move_until(now)
        measured = max(stamp - robot.period * case.staleness, now - robot.max_age, 0.0)
        pose = np.array([np.interp(measured, times, axis) for axis in np.array(positions).T])
        pose = pose + case.noise * rng.uniform(-1, 1, 3)
        command = guard.filter(wanted, pose, now - sent, now - measured)
        assert command is not None
        period = min(robot.period, now - sent)
        change = (command[:3] - velocity) / period
        found.velocity = max(found.velocity, float(np.abs(command[:3]).max()) - robot.velocity)
        found.acceleration = max(found.acceleration, float(np.abs(change).max()) / robot.acceleration - 1)
        if np.isfinite(robot.jerk):
            found.jerk = max(found.jerk, float(np.abs(change - rise).max()) / (robot.jerk * period) - 1)
        velocity, rise, sent = command[:3], change, now
        limit = stamp + robot.max_age + robot.period / 2
    move_until(max(limit, times[-1]))
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("case", CASES)
def test_no_limit_is_exceeded_in_irregular_time(case: str, robot: str, seed: int) -> None:
    excess = run(ROBOTS[robot], CASES[case], seed)
    assert excess.wall <= CASES[case].noise + 1e-6
    assert excess.velocity <= 1e-9
    assert excess.acceleration <= 1e-6
    assert excess.jerk <= 1e-4

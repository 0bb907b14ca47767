"""The guard in irregular time: commands late, early or missing, poses stale or noisy. No limit is exceeded.

A plant follows the commands exactly and without delay, so that every excess is the guard's. LOSSLESS_FUZZ sets how
many sequences are tried per kind.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from lossless_ros.contract import JOINTS, Action, Axis, load_contract
from lossless_ros.control.guard import Guard
from lossless_ros.control.limits import Limits, LimitSettings

ACTION = load_contract("rgb_stacking").action
LATENCY = 0.01  # from a frame to its command, at least [control periods]
NUMBER = int(os.environ.get("LOSSLESS_FUZZ", "10"))  # sequences per kind
LEFT_OUT = () if "LOSSLESS_FUZZ" in os.environ else (Phase.shrink, Phase.explain)  # a failure then takes minutes
SETTINGS = settings(
    max_examples=NUMBER,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=HealthCheck,
    phases=set(Phase) - set(LEFT_OUT),
)


@dataclass(frozen=True)
class Kind:
    """What is irregular, at most; the times are in control periods."""

    frame_period: float = 1.0
    jitter: float = 0.0  # of a frame's stamp, in either direction
    latency: float = 0.0  # of a command after its frame
    staleness: float = 0.0  # of a pose at the frame
    missing: int = 0  # frames in a row
    noise: float = 0.0  # of a pose [m]


KINDS = {
    "ideal": Kind(),
    "stale": Kind(staleness=1.0),
    "very stale": Kind(staleness=3.0, latency=1.0),  # up to the largest age that the node accepts
    "jitter": Kind(jitter=0.4, latency=0.6),
    "30 Hz": Kind(frame_period=2 / 3),
    "dropped": Kind(missing=4),
    "noise": Kind(noise=0.001),
    "all": Kind(frame_period=2 / 3, jitter=0.3, latency=0.8, staleness=3.0, missing=4, noise=0.001),
}


@dataclass(frozen=True)
class Instant:
    """A frame and the command that follows from it; the times are in control periods."""

    after: float  # the frame before
    jitter: float  # of the stamp
    latency: float  # of the command
    staleness: float  # of the pose
    noise: tuple[float, float, float]  # of the pose [m]
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)  # share of the largest velocity


@dataclass(frozen=True)
class Robot:
    """Limits of a robot, and its contract's timing."""

    velocity: float  # m/s, rad/s
    acceleration: float  # m/s^2, rad/s^2
    jerk: float  # m/s^3, rad/s^3
    period: float  # s
    max_age: float  # s
    size: float  # of the workspace, or of the joints' ranges [m, rad]


SAWYER = Robot(0.07, 0.5, 5.0, 0.05, 0.2, 0.2)
FAST_AND_RARE = Robot(1.5, 3.0, 20.0, 0.5, 0.6, 4.0)
WEAK = Robot(0.2, 0.1, 0.3, 0.05, 0.2, 1.0)
ROBOTS = st.sampled_from([SAWYER, replace(SAWYER, jerk=np.inf), FAST_AND_RARE, WEAK])


@dataclass
class Excess:
    """By how much limits were exceeded; 0 or less if they were not."""

    wall: float = -np.inf  # m
    velocity: float = -np.inf  # m/s
    acceleration: float = -np.inf  # of the limit
    jerk: float = -np.inf  # of the limit


def between(low: float, high: float) -> st.SearchStrategy[float]:
    """Return numbers from a range; every other one is an end of it."""
    return st.sampled_from([low, high]) | st.floats(low, high) if low < high else st.just(low)


def vectors(low: float, high: float) -> st.SearchStrategy[tuple[float, float, float]]:
    return st.tuples(*3 * [between(low, high)])


@st.composite
def sequences(draw: st.DrawFn, kind: Kind) -> list[Instant]:
    """Return instants during which the policy heads for the walls, and turns around now and then."""
    instants = st.builds(
        Instant,
        after=st.integers(1, 1 + kind.missing).map(lambda frames: frames * kind.frame_period),
        jitter=between(-kind.jitter, kind.jitter),
        latency=between(LATENCY, LATENCY + kind.latency),
        staleness=between(0.0, kind.staleness),
        noise=vectors(-kind.noise, kind.noise),
    )
    legs = st.tuples(vectors(-1.0, 1.0), st.lists(instants, min_size=8, max_size=24))
    return [
        replace(instant, target=target)
        for target, leg in draw(st.lists(legs, min_size=1, max_size=5))
        for instant in leg
    ]


def tool_limits(robot: Robot) -> Limits:
    """Return limits of a tool that moves along x, y and z, turns about z, and has a gripper."""
    box = (*[0.0] * 3, *[robot.size] * 3)
    settings = LimitSettings(linear_acceleration=robot.acceleration, linear_jerk=robot.jerk, workspace=box)
    axes = tuple(Axis(a.axis, robot.velocity if "linear" in a.axis else 1.0) for a in ACTION.axes)
    return Limits.for_action(replace(ACTION, axes=axes), settings)


def joint_limits(robot: Robot) -> Limits:
    """Return limits of three joints without a gripper: two turn and one slides."""
    settings = LimitSettings(
        linear_acceleration=robot.acceleration,
        angular_acceleration=robot.acceleration,
        linear_jerk=robot.jerk,
        angular_jerk=robot.jerk,
    )
    axes = tuple(Axis(name, robot.velocity, prismatic=name == "slide") for name in ("base", "elbow", "slide"))
    ranges = {axis.axis: (0.0, robot.size) for axis in axes}
    return Limits.for_action(Action("world", axes, space=JOINTS), settings, ranges)


def run(robot: Robot, limits: Limits, start: tuple[float, float, float], sequence: list[Instant]) -> Excess:
    """Drive the plant by the guard's commands; a watchdog stops it as the node's does.

    `start` is a share of the way between the walls of the first three axes.
    """
    guard = Guard(limits, robot.period, hold=robot.max_age + robot.period)
    rest = len(limits.velocity) - 3  # axes without walls
    gripper = [] if limits.gripper_target is None else [1.0]
    times, positions = [-100.0, 0.0], [np.array(start) * robot.size] * 2  # where the plant was at what time
    found, velocity, rise, sent, frame, limit = Excess(), np.zeros(3), np.zeros(3), -np.inf, 0.0, 0.0

    def move_until(time: float) -> None:
        positions.append(positions[-1] + velocity * (time - times[-1]))
        times.append(time)
        found.wall = max(found.wall, float(np.max(np.abs(positions[-1] - robot.size / 2) - robot.size / 2)))

    def position_at(time: float) -> np.ndarray:
        i = int(np.searchsorted(times, time))
        share = (time - times[i - 1]) / (times[i] - times[i - 1])
        return positions[i - 1] + share * (positions[i] - positions[i - 1])

    for instant in sequence:
        frame += robot.period * instant.after
        stamp = frame + robot.period * instant.jitter
        now = max(stamp + robot.period * instant.latency, times[-1] + 1e-3)
        if limit < now and velocity.any():  # the watchdog
            move_until(limit)
            guard.stop("watchdog", "no command")
            velocity, rise, sent = np.zeros(3), np.zeros(3), -np.inf
        move_until(now)
        measured = max(stamp - robot.period * instant.staleness, now - robot.max_age, 0.0)
        pose = position_at(min(measured, now)) + np.array(instant.noise)
        wanted = np.array([*np.multiply(instant.target, robot.velocity), *[0.0] * rest, *gripper])
        command = guard.filter(wanted, np.append(pose, np.zeros(rest)), now - sent, now - measured)
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


@pytest.mark.parametrize("make_limits", [tool_limits, joint_limits])
@pytest.mark.parametrize("kind", KINDS)
def test_no_limit_is_exceeded_in_irregular_time(
    kind: str, make_limits: Callable[[Robot], Limits], tmp_path: Path
) -> None:
    set_hypothesis_home_dir(tmp_path)  # not in the working directory

    @SETTINGS
    @given(robot=ROBOTS, start=vectors(0.0, 1.0), sequence=sequences(KINDS[kind]))
    def holds(robot: Robot, start: tuple[float, float, float], sequence: list[Instant]) -> None:
        excess = run(robot, make_limits(robot), start, sequence)
        assert excess.wall <= KINDS[kind].noise + 1e-6
        assert excess.velocity <= 1e-9
        assert excess.acceleration <= 1e-6
        assert excess.jerk <= 1e-4

    holds()

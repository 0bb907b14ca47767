"""Motion limits, and pure functions that keep velocities within them. No ROS, no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lossless_ros.contract import JOINTS, Action

Room = tuple[np.ndarray, np.ndarray]  # (A,) each: how far every axis may move down and up; infinite without a wall
UNBOUNDED_WORKSPACE = (-np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf)
_ROUNDING = 1e-9  # tolerance of a position [m, rad]
_NEGLIGIBLE = 1e-12  # difference of velocities [m/s, rad/s]
_MARGIN = 0.002  # left before a wall [m, rad]: errors of a position up to half of it do not brake too hard
_MAX_BRAKING_PERIODS = 200  # a velocity that takes longer to brake is treated as unstoppable


@dataclass(frozen=True)
class LimitSettings:
    """Limits that a user sets for a robot; infinite values do not limit.

    Raises:
        ValueError: a limit is not above 0, or the workspace is not a box [x, y, z, x, y, z].
    """

    linear_acceleration: float = np.inf  # m/s^2
    angular_acceleration: float = np.inf  # rad/s^2
    linear_jerk: float = np.inf  # m/s^3
    angular_jerk: float = np.inf  # rad/s^3
    gripper_rate: float = np.inf  # full strokes per second
    workspace: Sequence[float] = UNBOUNDED_WORKSPACE  # x, y, z of the lowest corner, then of the highest [m]

    def __post_init__(self) -> None:
        for name in ("linear_acceleration", "angular_acceleration", "linear_jerk", "angular_jerk", "gripper_rate"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name.replace('_', ' ')} limit is {value}, expected more than 0")
        box = np.array(self.workspace, np.float64)
        if box.shape != (6,) or not (box[:3] < box[3:]).all():
            raise ValueError(
                f"workspace is {list(self.workspace)}, expected x, y, z of the lowest corner, then of the highest [m]"
            )


@dataclass(frozen=True)
class Limits:
    """Bounds on commands, per axis of the action.

    Walls are the ranges of joints, or for velocities of the tool the workspace, in the frame of the command. Where
    limits contradict each other the earlier one takes precedence: walls, velocity, acceleration, jerk.
    """

    velocity: np.ndarray  # (A,) m/s, rad/s
    acceleration: np.ndarray  # (A,) m/s^2, rad/s^2
    jerk: np.ndarray  # (A,) m/s^3, rad/s^3
    walls: np.ndarray  # (2, A) lowest and highest position of each axis [m, rad]; infinite without a wall
    gripper_rate: float = np.inf  # full strokes per second
    gripper_target: Callable[[float], float] | None = None  # see `Action.gripper_target`; None without a gripper

    @staticmethod
    def for_action(
        action: Action, settings: LimitSettings, ranges: Mapping[str, Sequence[float]] = MappingProxyType({})
    ) -> "Limits":
        """Combine the velocity limits of a contract's action with the settings of a robot.

        Args:
            action: the contract's.
            settings: of the robot.
            ranges: lowest and highest position of joints [rad or m], by the contract's names.

        Raises:
            ValueError: a workspace is set, but the action commands joints.
        """
        acceleration = {"m/s": settings.linear_acceleration, "rad/s": settings.angular_acceleration}
        jerk = {"m/s": settings.linear_jerk, "rad/s": settings.angular_jerk}
        return Limits(
            velocity=np.array(action.speed_limits),
            acceleration=np.array([acceleration[axis.unit] for axis in action.axes]),
            jerk=np.array([jerk[axis.unit] for axis in action.axes]),
            walls=_walls(action, settings.workspace, ranges),
            gripper_rate=settings.gripper_rate,
            gripper_target=action.gripper_target if action.gripper else None,
        )


def _walls(action: Action, workspace: Sequence[float], ranges: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return the lowest and the highest position of each axis (2, A), see `Limits.for_action`."""
    box = np.array(workspace, np.float64)
    if action.space == JOINTS:
        if np.isfinite(box).any():
            raise ValueError(
                "workspace is a box for the tool center, but the contract commands joints; set it to .inf and give "
                "hardware.joint_limits"
            )
        pairs = ranges
    else:
        pairs = {f"linear.{axis}": (box[i], box[i + 3]) for i, axis in enumerate("xyz")}
    return np.array([pairs.get(axis.axis, (-np.inf, np.inf)) for axis in action.axes], np.float64).reshape(-1, 2).T


@dataclass(frozen=True)
class Timing:
    """When commands come.

    Attributes:
        period: time between two commands as a rule [s].
        hold: longest time that a command may stay in force until the next one or the watchdog's stop [s].
    """

    period: float
    hold: float


def max_stoppable_speed(distance: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the largest speed a from which the series a, a - step, a - 2 step, ... > 0 sums to at most `distance`.

    This is the discrete stopping distance when the speed falls by `step` per period. Elementwise, for distances of at
    least 0; `step` may be infinite.
    """
    finite = np.where(np.isfinite(step), step, 1.0)
    k = np.floor((np.sqrt(1 + 8 * np.minimum(distance, 1e12) / finite) - 1) / 2)
    first = (distance + finite * k * (k + 1) / 2) / (k + 1)
    return np.where(np.isfinite(step), first, distance)


def max_fading_acceleration(change: np.ndarray, jerk: np.ndarray, period: float) -> np.ndarray:
    """Return the largest acceleration for one period [s] that can fade out before the velocity changed by `change`.

    The later periods may be shorter, down to 0: after this one the acceleration r fades within r^2 / (2 jerk).
    Elementwise, for changes of at least 0; `jerk` may be infinite.
    """
    return 2 * change / (period + np.sqrt(period**2 + 2 * change / jerk))


def limit_acceleration(
    target: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray, limits: Limits, period: float
) -> np.ndarray:
    """Return the next velocity (A,) towards `target` (A,) within the acceleration and jerk limits.

    `velocity` and `acceleration` are those of the previous period [s]. Starting from rest, the speed never overshoots
    the target, however long the periods are.
    """
    change = target - velocity
    rise = np.sign(change) * max_fading_acceleration(np.abs(change), limits.jerk, period)
    rise = np.clip(rise, -limits.acceleration, limits.acceleration)
    rise = np.clip(rise, acceleration - limits.jerk * period, acceleration + limits.jerk * period)
    reached = np.abs(change - rise * period) <= _NEGLIGIBLE
    return np.where(reached, target, velocity + rise * period)


def clamp_to_walls(velocity: np.ndarray, position: np.ndarray, limits: Limits, period: float) -> np.ndarray:
    """Return the velocity (A,) that keeps every axis, at `position` (A,), between its walls in the next period [s].

    Outside of them only motion back towards them is allowed.
    """
    low, high = limits.walls
    return np.clip(velocity, np.minimum((low - position) / period, 0.0), np.maximum((high - position) / period, 0.0))


def room_to_walls(position: np.ndarray, down: np.ndarray, up: np.ndarray, limits: Limits) -> Room:
    """Return how far each axis may still move before the margin in front of a wall, at least 0.

    `position` (A,) is as measured [m, rad]. `down` (A,), at most 0, and `up` (A,), at least 0, are how far the axes may
    have moved since: none of it counts in favor of either wall.
    """
    low, high = limits.walls
    return np.maximum(position + down - low - _MARGIN, 0.0), np.maximum(high - position - up - _MARGIN, 0.0)


def limit_to_stopping_distance(velocity: np.ndarray, room: Room, limits: Limits, timing: Timing) -> np.ndarray:
    """Return the velocity (A,) from which every axis can stop within its `room` (see `room_to_walls`).

    Only the acceleration limit is considered here; `can_stop_in_room` considers jerk as well.
    """
    step = limits.acceleration * timing.period
    down, up = (max_stoppable_speed(distance / timing.hold, step) for distance in room)
    return np.clip(velocity, -down, up)


def can_stop_in_room(
    velocity: np.ndarray, acceleration: np.ndarray, room: Room, limits: Limits, timing: Timing
) -> np.ndarray:
    """Return for each candidate next velocity (..., A) whether its axis can still stop in its room, (..., A) bool.

    The velocity changes to the candidates with an `acceleration` (..., A). While the axis brakes, every command may
    stay in force for `timing.hold`, and the next one may change the velocity by no more than in one period.
    """
    low, high = -room[0] - _ROUNDING, room[1] + _ROUNDING
    traveled, inside = velocity * timing.hold, np.ones(velocity.shape, bool)
    for _ in range(_MAX_BRAKING_PERIODS):
        inside &= (low <= traveled) & (traveled <= high)
        if not velocity.any():
            break
        slower = limit_acceleration(np.zeros_like(velocity), velocity, acceleration, limits, timing.period)
        acceleration, velocity = (slower - velocity) / timing.period, slower
        traveled = traveled + velocity * timing.hold
    return inside & (velocity == 0)

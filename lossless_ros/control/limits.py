"""Motion limits, and pure functions that keep velocities within them. No ROS, no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Action, open_or_close

Room = tuple[np.ndarray, np.ndarray]  # (A,) each: how far every axis may move down and up [m]; infinite without a wall
UNBOUNDED_WORKSPACE = (-np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf)
_ROUNDING = 1e-9  # tolerance of a position [m]
_NEGLIGIBLE = 1e-12  # difference of velocities [m/s, rad/s]
_MARGIN = 0.002  # left before a wall [m]: errors of a pose up to half of it do not make the guard brake too hard
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
    """Bounds on commands, per axis of the action; the workspace is in the frame of the command.

    Where limits contradict each other the earlier one takes precedence: workspace, velocity, acceleration, jerk.
    """

    velocity: np.ndarray  # (A,) m/s, rad/s
    acceleration: np.ndarray  # (A,) m/s^2, rad/s^2
    jerk: np.ndarray  # (A,) m/s^3, rad/s^3
    workspace: np.ndarray  # (2, 3) lowest and highest corner for the tool center [m]
    translation: tuple[int, ...]  # for x, y, z: index of the axis that moves along it, -1 for none
    gripper_rate: float = np.inf  # full strokes per second
    gripper_target: Callable[[float], float] = open_or_close  # of the policy's output, see `Action.gripper_target`

    @staticmethod
    def for_action(action: Action, settings: LimitSettings) -> "Limits":
        """Combine the velocity limits of a contract's action with the settings of a robot."""
        acceleration = {"m/s": settings.linear_acceleration, "rad/s": settings.angular_acceleration}
        jerk = {"m/s": settings.linear_jerk, "rad/s": settings.angular_jerk}
        names = [axis.axis for axis in action.axes]
        return Limits(
            velocity=np.array([axis.limit for axis in action.axes]),
            acceleration=np.array([acceleration[axis.unit] for axis in action.axes]),
            jerk=np.array([jerk[axis.unit] for axis in action.axes]),
            workspace=np.array(settings.workspace, np.float64).reshape(2, 3),
            translation=tuple(names.index(f"linear.{c}") if f"linear.{c}" in names else -1 for c in "xyz"),
            gripper_rate=settings.gripper_rate,
            gripper_target=action.gripper_target,
        )


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


def clamp_to_workspace(velocity: np.ndarray, position: np.ndarray, limits: Limits, period: float) -> np.ndarray:
    """Return the velocity (A,) that keeps the tool center (3,) [m] in the workspace during the next period [s].

    Outside the workspace only motion back towards it is allowed.
    """
    velocity = velocity.copy()
    low, high = limits.workspace
    for coordinate, axis in enumerate(limits.translation):
        if axis >= 0:
            least = min((low[coordinate] - position[coordinate]) / period, 0.0)
            most = max((high[coordinate] - position[coordinate]) / period, 0.0)
            velocity[axis] = np.clip(velocity[axis], least, most)
    return velocity


def room_to_walls(position: np.ndarray, down: np.ndarray, up: np.ndarray, limits: Limits) -> Room:
    """Return how far each axis may still move before the margin in front of a wall, at least 0.

    `position` is the tool center (3,) [m] as measured. `down` (A,), at most 0, and `up` (A,), at least 0, are how far
    the axes may have moved since: none of it counts in favor of either wall.
    """
    below, above = np.full(len(down), np.inf), np.full(len(up), np.inf)
    low, high = limits.workspace
    for coordinate, axis in enumerate(limits.translation):
        if axis >= 0:
            below[axis] = max(position[coordinate] + down[axis] - low[coordinate] - _MARGIN, 0.0)
            above[axis] = max(high[coordinate] - position[coordinate] - up[axis] - _MARGIN, 0.0)
    return below, above


def limit_to_stopping_distance(velocity: np.ndarray, room: Room, limits: Limits, timing: Timing) -> np.ndarray:
    """Return the velocity (A,) from which every axis can stop within its `room` (see `room_to_walls`).

    Only the acceleration limit is considered here; `can_stop_in_workspace` considers jerk as well.
    """
    step = limits.acceleration * timing.period
    down, up = (max_stoppable_speed(distance / timing.hold, step) for distance in room)
    return np.clip(velocity, -down, up)


def can_stop_in_workspace(
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

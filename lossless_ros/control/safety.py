"""What may be sent to a robot: pure functions, and one guard that remembers. No ROS, no torch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Action

NO_BOX = (-np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf)
RESUME = ("automatic", "service")  # what ends a stop: the next good action, or only `release`
_TOLERANCE = 1e-3  # an action may exceed its limit by this part of it: rounding
_ROUNDING = 1e-9  # of a way [m]
_SPEED_FRACTIONS = np.array([[1.0], [0.75], [0.5], [0.25], [0.0]])  # of a wanted velocity: the first that fits is taken
_LONGEST_BRAKING = 200  # periods; what needs longer does not fit


@dataclass(frozen=True)
class Limits:
    """Bounds on commands, all along the action's axes but the workspace, which is in the command's frame.

    Where they contradict each other the earlier one holds: workspace, velocity, acceleration, jerk.
    """

    velocity: np.ndarray  # (A,) m/s, rad/s
    acceleration: np.ndarray  # (A,) m/s^2, rad/s^2
    jerk: np.ndarray  # (A,) m/s^3, rad/s^3
    workspace: np.ndarray  # (2, 3) lowest and highest corner for the tool center [m]
    translation: tuple[int, ...]  # for x, y, z: index of the axis that moves along it, -1 if none does
    gripper_rate: float = np.inf  # ways from open to closed per second

    @staticmethod
    def of(
        action: Action,
        linear_acceleration: float = np.inf,
        angular_acceleration: float = np.inf,
        linear_jerk: float = np.inf,
        angular_jerk: float = np.inf,
        gripper_rate: float = np.inf,
        workspace: Sequence[float] = NO_BOX,
    ) -> "Limits":
        """Limits of a contract's action; infinite ones do not limit.

        Raises:
            ValueError: a limit not above 0, or a workspace that is no box [x, y, z, x, y, z].
        """
        acceleration = {"m/s": linear_acceleration, "rad/s": angular_acceleration}
        jerk = {"m/s": linear_jerk, "rad/s": angular_jerk}
        for what, value in (
            ("linear acceleration", linear_acceleration),
            ("angular acceleration", angular_acceleration),
            ("linear jerk", linear_jerk),
            ("angular jerk", angular_jerk),
            ("gripper rate", gripper_rate),
        ):
            if not value > 0:
                raise ValueError(f"{what} limit is {value}, expected more than 0")
        box = np.array(workspace, np.float64)
        if box.shape != (6,) or not (box[:3] < box[3:]).all():
            raise ValueError(
                f"workspace is {list(workspace)}, expected x, y, z of the lowest corner, then of the highest [m]"
            )
        names = [axis.axis for axis in action.axes]
        return Limits(
            np.array([axis.limit for axis in action.axes]),
            np.array([acceleration[axis.unit] for axis in action.axes]),
            np.array([jerk[axis.unit] for axis in action.axes]),
            box.reshape(2, 3),
            tuple(names.index(f"linear.{c}") if f"linear.{c}" in names else -1 for c in "xyz"),
            gripper_rate,
        )


def fault_of(action: np.ndarray, limits: np.ndarray) -> str | None:
    """Why an action cannot be sent at all, None if it can be; `limits` are its components' largest magnitudes."""
    if action.shape != limits.shape:
        return f"action has shape {action.shape}, expected {limits.shape}"
    if not np.isfinite(action).all():
        return f"action is not finite: {np.array2string(action, precision=3)}"
    if (np.abs(action) > limits * (1 + _TOLERANCE)).any():
        found, allowed = (np.array2string(values, precision=3) for values in (action, limits))
        return f"action is {found}, the contract allows magnitudes of {allowed}"
    return None


def age_fault(stamp: int, now: int, max_age: int) -> str | None:
    """Why data of that stamp is not to be acted upon now, None if it is [ns]."""
    age = now - stamp
    if age > max_age:
        return f"data is {age / 1e9:.3f} s old, at most {max_age / 1e9:g} s are allowed (clocks in step?)"
    if age < -max_age:
        return f"data is stamped {-age / 1e9:.3f} s in the future (clocks in step?)"
    return None


def joint_fault(positions: np.ndarray, limits: np.ndarray, names: Sequence[str]) -> str | None:
    """Why joints at these positions (n,) [rad] must not be driven on, None if they may; limits are (n, 2)."""
    beyond = (positions < limits[:, 0]) | (positions > limits[:, 1])
    if not beyond.any():
        return None
    index = int(np.argmax(beyond))
    low, high = limits[index]
    return f"joint {names[index]} is at {positions[index]:.3f} rad, its limits are {low:g} to {high:g}"


def max_stoppable_speed(total: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The largest first number of a falling series a, a - step, a - 2 step, ... > 0 whose sum is at most `total`.

    With velocities for numbers that is the speed from which one can brake within a way; with accelerations, the one
    that can fade out before a speed is exceeded. Elementwise for totals of at least 0; a step may be infinite.
    """
    finite = np.where(np.isfinite(step), step, 1.0)
    k = np.floor((np.sqrt(1 + 8 * np.minimum(total, 1e12) / finite) - 1) / 2)
    first = (total + finite * k * (k + 1) / 2) / (k + 1)
    return np.where(np.isfinite(step), first, total)


def limit_acceleration(
    wanted: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray, limits: Limits, period: float
) -> np.ndarray:
    """The next velocity (A,) on the way to a wanted one within the limits of acceleration and jerk, no overshoot.

    `velocity` and `acceleration` are those of the period [s] before. From a way that began at rest, speeds never
    exceed the largest wanted one.
    """
    change = wanted - velocity
    rise = np.sign(change) * max_stoppable_speed(np.abs(change) / period, limits.jerk * period)
    rise = np.clip(rise, -limits.acceleration, limits.acceleration)
    rise = np.clip(rise, acceleration - limits.jerk * period, acceleration + limits.jerk * period)
    return np.where(rise == change / period, wanted, velocity + rise * period)  # unlimited, to the last bit


def clamp_to_workspace(velocity: np.ndarray, position: np.ndarray, limits: Limits, period: float) -> np.ndarray:
    """Velocity (A,) with which the tool center (3,) [m] stays in the workspace in the next period [s].

    Outside already, only the way back in is left open.
    """
    velocity = velocity.copy()
    low, high = limits.workspace
    for coordinate, axis in enumerate(limits.translation):
        if axis >= 0:
            least = min((low[coordinate] - position[coordinate]) / period, 0.0)
            most = max((high[coordinate] - position[coordinate]) / period, 0.0)
            velocity[axis] = np.clip(velocity[axis], least, most)
    return velocity


def limit_to_stopping_distance(velocity: np.ndarray, position: np.ndarray, limits: Limits, period: float) -> np.ndarray:
    """Velocity (A,) from which the tool center (3,) [m] could brake before it meets the workspace's walls.

    That is as far as acceleration is limited; `fits` knows of jerk as well.
    """
    velocity = velocity.copy()
    for axis, way_down, way_up in _clearances(position, limits):
        down, up = max_stoppable_speed(
            np.array([way_down, way_up]) / period, limits.acceleration[axis] * period * np.ones(2)
        )
        velocity[axis] = np.clip(velocity[axis], -down, up)
    return velocity


def can_stop_in_workspace(
    velocity: np.ndarray,
    before: np.ndarray,
    acceleration: np.ndarray,
    position: np.ndarray,
    limits: Limits,
    period: float,
) -> np.ndarray:
    """Whether each axis can still brake before a wall, (..., A) bool, if its next velocity is one of these (..., A).

    The velocity `before` (A,) changes to them with an `acceleration` (..., A); `position` is the tool center (3,) [m],
    measured before or after the period of the velocity before: both are allowed for.
    """
    low, high = np.full(len(before), -np.inf), np.full(len(before), np.inf)
    for axis, way_down, way_up in _clearances(position, limits):
        low[axis], high[axis] = -way_down, way_up
    low, high = low - np.minimum(before * period, 0) - _ROUNDING, high - np.maximum(before * period, 0) + _ROUNDING
    way, inside = velocity * period, np.ones(velocity.shape, bool)
    for _ in range(_LONGEST_BRAKING):
        inside &= (low <= way) & (way <= high)
        if not velocity.any():
            break
        slower = limit_acceleration(np.zeros_like(velocity), velocity, acceleration, limits, period)
        acceleration, velocity = (slower - velocity) / period, slower
        way = way + velocity * period
    return inside & (velocity == 0)


def _clearances(position: np.ndarray, limits: Limits) -> list[tuple[int, float, float]]:
    """Axis, and how far it is [m] to the lower and to the upper wall; 0 beyond them."""
    low, high = limits.workspace
    return [
        (axis, max(position[c] - low[c], 0.0), max(high[c] - position[c], 0.0))
        for c, axis in enumerate(limits.translation)
        if axis >= 0
    ]


class Guard:
    """Turns actions into commands within the limits, and knows whether the robot may move and why not.

    States: `idle` (nothing sent yet), `moving`, `stopped` (the next good action moves again), `latched` (only
    `release` ends it). With `resume` "service" every stop for a fault latches.
    """

    def __init__(self, limits: Limits, period: float, resume: str = "automatic") -> None:
        self.limits = limits
        self.state = "idle"
        self.kind = self.reason = ""  # of the last stop
        self.stops: Counter[str] = Counter()  # by kind
        self._period, self._resume = period, resume
        self._allowed = np.append(limits.velocity, 1.0)
        self._gripper: float | None = None  # as sent last, -1 open to 1 closed
        self._sent = np.zeros_like(limits.velocity)
        self._acceleration = np.zeros_like(limits.velocity)

    def filter(
        self, action: np.ndarray, position: np.ndarray | None = None, elapsed: float = np.inf
    ) -> np.ndarray | None:
        """The command (A + 1,) for an action (A + 1,), or None while latched; the gripper goes from -1 (open) to 1.

        `position` is the tool center's (3,) [m]; without one the workspace is not watched. `elapsed` is the time since
        the command before [s]: commands that follow each other sooner than by a period may change less.

        Raises:
            ValueError: the action cannot be sent at all; the caller stops.
        """
        fault = fault_of(action, self._allowed)
        if fault:
            raise ValueError(fault)
        if self.state == "latched":
            return None
        wanted = np.clip(action[:-1].astype(np.float64), -self.limits.velocity, self.limits.velocity)
        period = min(self._period, elapsed)
        velocity = self._next(wanted, period, position)
        inside = velocity if position is None else clamp_to_workspace(velocity, position, self.limits, self._period)
        # What a wall cut off is no acceleration to go on from: jerk would carry it far to the other side.
        self._acceleration = np.where(inside == velocity, (velocity - self._sent) / period, 0.0)
        velocity = np.clip(inside, -self.limits.velocity, self.limits.velocity)
        self.state, self._sent = "moving", velocity
        self._gripper = self._limit_gripper(1.0 if action[-1] > 0 else -1.0, period)
        return np.append(velocity, self._gripper)

    def stop(self, kind: str, reason: str, latch: bool = False) -> bool:
        """Stop for a fault of some kind; True if the robot was moving, so that it has to be told."""
        return self._stop(kind, reason, latch or (self._resume == "service" and self.state == "moving"))

    def pause(self, kind: str, reason: str) -> bool:
        """Stop though nothing is wrong: the next good action moves again; True if the robot was moving."""
        return self._stop(kind, reason, False)

    def release(self) -> None:
        """End a latched stop: the next good action moves again."""
        if self.state == "latched":
            self.state = "stopped"

    def _stop(self, kind: str, reason: str, latch: bool) -> bool:
        if self.state == "latched":
            return False
        moving = self.state == "moving"
        if moving or latch or kind != self.kind:
            self.stops[kind] += 1
        self.state, self.kind, self.reason = "latched" if latch else "stopped", kind, reason
        self._sent, self._acceleration = np.zeros_like(self._sent), np.zeros_like(self._sent)
        return moving

    def _next(self, wanted: np.ndarray, period: float, position: np.ndarray | None) -> np.ndarray:
        """The next velocity (A,) towards a wanted one, from which the walls can be kept by braking within the limits.

        Where none on the way to the wanted one allows that, it is braked at once.
        """
        now = self._sent, self._acceleration, self.limits, period
        if position is None:
            return limit_acceleration(wanted, *now)
        wanted = limit_to_stopping_distance(wanted, position, self.limits, self._period)
        tried = limit_acceleration(_SPEED_FRACTIONS * wanted, *now)
        good = can_stop_in_workspace(
            tried, self._sent, (tried - self._sent) / period, position, self.limits, self._period
        )
        good[-1] = True  # braking is what is left
        return tried[good.argmax(0), np.arange(len(wanted))]

    def _limit_gripper(self, wanted: float, period: float) -> float:
        """Where the gripper may be told to go next; before the first command it may be anywhere."""
        if self._gripper is None:
            return wanted
        reach = 2 * self.limits.gripper_rate * period
        return float(np.clip(wanted, self._gripper - reach, self._gripper + reach))

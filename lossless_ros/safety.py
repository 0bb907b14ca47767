"""What may be sent to a robot: pure functions, and one guard that remembers. No ROS, no torch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import Action

NO_BOX = (-np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf)


@dataclass(frozen=True)
class Limits:
    """Bounds on commands, all along the action's axes but the workspace, which is in the command's frame."""

    velocity: np.ndarray  # (A,) m/s, rad/s
    acceleration: np.ndarray  # (A,) m/s^2, rad/s^2
    workspace: np.ndarray  # (2, 3) lowest and highest corner for the tool centre [m]
    translation: tuple[int, ...]  # for x, y, z: index of the axis that moves along it, -1 if none does

    @staticmethod
    def of(
        action: Action,
        linear_acceleration: float = np.inf,
        angular_acceleration: float = np.inf,
        workspace: Sequence[float] = NO_BOX,
    ) -> "Limits":
        """Limits of a contract's action; infinite ones do not limit.

        Raises:
            ValueError: an acceleration not above 0, or a workspace that is no box [x, y, z, x, y, z].
        """
        for what, value in (("linear", linear_acceleration), ("angular", angular_acceleration)):
            if not value > 0:
                raise ValueError(f"{what} acceleration limit is {value}, expected more than 0")
        box = np.array(workspace, np.float64)
        if box.shape != (6,) or not (box[:3] < box[3:]).all():
            raise ValueError(
                f"workspace is {list(workspace)}, expected x, y, z of the lowest corner, then of the highest [m]"
            )
        names = [axis.axis for axis in action.axes]
        by_unit = {"m/s": linear_acceleration, "rad/s": angular_acceleration}
        return Limits(
            np.array([axis.limit for axis in action.axes]),
            np.array([by_unit[axis.unit] for axis in action.axes]),
            box.reshape(2, 3),
            tuple(names.index(f"linear.{c}") if f"linear.{c}" in names else -1 for c in "xyz"),
        )


def fault_of(action: np.ndarray, dim: int) -> str | None:
    """Why an action cannot be sent at all, None if it can be."""
    if action.shape != (dim,):
        return f"action has shape {action.shape}, expected ({dim},)"
    if not np.isfinite(action).all():
        return f"action is not finite: {np.array2string(action, precision=3)}"
    return None


def age_fault(stamp: int, now: int, max_age: int) -> str | None:
    """Why data of that stamp is not to be acted upon now, None if it is [ns]."""
    age = now - stamp
    if age > max_age:
        return f"data is {age / 1e9:.3f} s old, at most {max_age / 1e9:g} s are allowed (clocks in step?)"
    if age < -max_age:
        return f"data is stamped {-age / 1e9:.3f} s in the future (clocks in step?)"
    return None


def limit_acceleration(velocity: np.ndarray, previous: np.ndarray, limit: np.ndarray, period: float) -> np.ndarray:
    """The velocity (A,) nearest to the wanted one that the limit (A,) allows one period [s] after the previous one."""
    return np.clip(velocity, previous - limit * period, previous + limit * period)


def keep_inside(velocity: np.ndarray, position: np.ndarray, limits: Limits, period: float) -> np.ndarray:
    """Velocity (A,) without the parts that would carry the tool centre (3,) [m] out of the workspace in one period."""
    velocity = velocity.copy()
    low, high = limits.workspace
    for coordinate, axis in enumerate(limits.translation):
        if axis >= 0:
            # Outside already: only the way back in is left open.
            least = min((low[coordinate] - position[coordinate]) / period, 0.0)
            most = max((high[coordinate] - position[coordinate]) / period, 0.0)
            velocity[axis] = np.clip(velocity[axis], least, most)
    return velocity


class Guard:
    """Turns actions into commands within the limits, and knows whether the robot may move and why not.

    States: `idle` (nothing sent yet), `moving`, `stopped` (the next good action moves again), `latched` (only
    `release` ends it).
    """

    def __init__(self, limits: Limits, period: float) -> None:
        self.limits = limits
        self.state = "idle"
        self.kind = self.reason = ""  # of the last stop
        self.stops: Counter[str] = Counter()  # by kind
        self._period = period
        self._sent = np.zeros_like(limits.velocity)

    def admit(self, action: np.ndarray, position: np.ndarray | None = None) -> np.ndarray | None:
        """The command (A + 1,) for an action (A + 1,), or None while latched.

        `position` is the tool centre's (3,) [m]; without one the workspace is not watched.

        Raises:
            ValueError: the action cannot be sent at all; the caller stops.
        """
        fault = fault_of(action, len(self.limits.velocity) + 1)
        if fault:
            raise ValueError(fault)
        if self.state == "latched":
            return None
        velocity = np.clip(action[:-1].astype(np.float64), -self.limits.velocity, self.limits.velocity)
        velocity = limit_acceleration(velocity, self._sent, self.limits.acceleration, self._period)
        if position is not None:
            velocity = keep_inside(velocity, position, self.limits, self._period)
        self.state, self._sent = "moving", velocity
        return np.append(velocity, np.clip(action[-1], -1, 1))

    def stop(self, kind: str, reason: str, latch: bool = False) -> bool:
        """Stop for a reason of some kind; True if the robot was moving, so that it has to be told."""
        if self.state == "latched":
            return False
        moving = self.state == "moving"
        if moving or latch or kind != self.kind:
            self.stops[kind] += 1
        self.state, self.kind, self.reason = "latched" if latch else "stopped", kind, reason
        self._sent = np.zeros_like(self._sent)
        return moving

    def release(self) -> None:
        """End a latched stop: the next good action moves again."""
        if self.state == "latched":
            self.state = "stopped"

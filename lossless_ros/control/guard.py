"""The guard: decides whether the robot may move, and turns actions into commands within the limits. No ROS."""

from collections import Counter, deque

import numpy as np

from lossless_ros.control.faults import action_fault
from lossless_ros.control.limits import (
    Limits,
    Room,
    Timing,
    can_stop_in_room,
    clamp_to_walls,
    limit_acceleration,
    limit_to_stopping_distance,
    room_to_walls,
)

RESUME_MODES = ("automatic", "service")  # what ends a stop for a fault: the next good action, or only `release`
_HOLD_PERIODS = 5  # that a command may stay in force if nothing else is given
_MAX_RECENT = 256  # past commands that are remembered
_SPEED_FRACTIONS = np.array([[1.0], [0.75], [0.5], [0.25], [0.0]])  # of the target; the first stoppable one is taken


class Guard:
    """State machine in front of the robot; it remembers the last command.

    States: `idle` (nothing sent yet), `moving`, `stopped` (the next good action moves again), `latched` (only
    `release` ends it). With `resume` "service" every stop for a fault latches.

    Args:
        period: of the control loop [s].
        hold: longest time that a command may stay in force until the next one or the watchdog's stop [s]; 0: five
            periods. From every command the robot can brake before the walls of its axes, even if this one and
            all those that follow stay in force for so long.
    """

    def __init__(self, limits: Limits, period: float, resume: str = "automatic", hold: float = 0.0) -> None:
        self.limits = limits
        self.state = "idle"
        self.kind = self.reason = ""  # of the last stop
        self.stops: Counter[str] = Counter()  # by kind
        self.interruptions = 0  # how often the moving robot was stopped, pauses included
        self._timing, self._resume = Timing(period, hold or _HOLD_PERIODS * period), resume
        has_gripper = limits.gripper_target is not None
        self._allowed = np.append(limits.velocity, 1.0) if has_gripper else limits.velocity
        self._gripper: float | None = None  # last command, -1 open to 1 closed
        self._velocity = np.zeros_like(limits.velocity)  # last command
        self._acceleration = np.zeros_like(limits.velocity)
        # Velocities of past commands and how long each was in force [s]; infinite where that is not known.
        self._recent: deque[tuple[np.ndarray, float]] = deque(maxlen=_MAX_RECENT)

    def filter(
        self,
        action: np.ndarray,
        position: np.ndarray | None = None,
        elapsed: float = np.inf,
        position_age: float = 0.0,
    ) -> np.ndarray | None:
        """Return the command (dim,) for an action (dim,), or None while latched.

        Args:
            action: velocities along the A axes, then the gripper, if there is one, from -1 (opens) to 1 (closes).
            position: of each axis (A,) [m, rad], see `AxisPositions`; without it the walls are not enforced.
            elapsed: time since the last command [s], infinite after a stop. Commands closer together than one control
                period get proportionally smaller increments.
            position_age: time since the position was measured [s].

        Raises:
            ValueError: the action cannot be sent at all; the caller has to stop the robot.
        """
        fault = action_fault(action, self._allowed)
        if fault:
            raise ValueError(fault)
        if self.state == "latched":
            return None
        arm = action[: len(self._velocity)].astype(np.float64)
        target = np.clip(arm, -self.limits.velocity, self.limits.velocity)
        if np.isfinite(elapsed):
            self._recent.append((self._velocity, elapsed))
        period = min(self._timing.period, elapsed)
        if position is None:
            velocity = limit_acceleration(target, self._velocity, self._acceleration, self.limits, period)
            inside = velocity
        else:
            # A robot that follows its commands late has not moved yet when the position is measured.
            moved = self._motion_within(position_age + self._timing.period)
            velocity = self._stoppable_velocity(target, period, room_to_walls(position, *moved, self.limits))
            inside = clamp_to_walls(velocity, position, self.limits, self._timing.period)
        # What a wall cut off does not count as acceleration: the jerk limit would carry it far to the other side.
        self._acceleration = np.where(inside == velocity, (velocity - self._velocity) / period, 0.0)
        velocity = np.clip(inside, -self.limits.velocity, self.limits.velocity)
        self.state, self._velocity = "moving", velocity
        if self.limits.gripper_target is None:
            return velocity
        self._gripper = self._limit_gripper(self.limits.gripper_target(float(action[-1])), period)
        return np.append(velocity, self._gripper)

    def stop(self, kind: str, reason: str, latch: bool = False) -> bool:
        """Stop for a fault of this kind; return whether the robot was moving, so that a stop has to be sent."""
        return self._stop(kind, reason, latch or (self._resume == "service" and self.state == "moving"))

    def pause(self, kind: str, reason: str) -> bool:
        """Stop without a fault: the next good action moves again; return whether the robot was moving."""
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
        self.interruptions += moving
        self.state, self.kind, self.reason = "latched" if latch else "stopped", kind, reason
        if moving:
            self._recent.append((self._velocity, np.inf))
        self._velocity, self._acceleration = np.zeros_like(self._velocity), np.zeros_like(self._velocity)
        return moving

    def _stoppable_velocity(self, target: np.ndarray, period: float, room: Room) -> np.ndarray:
        """Return the next velocity (A,) towards the target from which the robot can still stop in its room.

        Brakes at once if no velocity on the way to the target allows that.
        """
        target = limit_to_stopping_distance(target, room, self.limits, self._timing)
        candidates = limit_acceleration(
            _SPEED_FRACTIONS * target, self._velocity, self._acceleration, self.limits, period
        )
        acceleration = (candidates - self._velocity) / period
        stoppable = can_stop_in_room(candidates, acceleration, room, self.limits, self._timing)
        stoppable[-1] = True  # braking is always allowed
        return candidates[stoppable.argmax(0), np.arange(len(target))]

    def _motion_within(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """Return how far the axes moved down (A,) and up (A,) by the commands of the last `seconds`."""
        down, up = np.zeros_like(self._velocity), np.zeros_like(self._velocity)
        for velocity, duration in reversed(self._recent):
            time = min(duration, seconds)
            down, up = down + np.minimum(velocity, 0.0) * time, up + np.maximum(velocity, 0.0) * time
            seconds -= time
            if seconds <= 0:
                break
        return down, up

    def _limit_gripper(self, target: float, period: float) -> float:
        """Return the gripper command next towards `target`; the first one is not limited: its position is unknown."""
        if self._gripper is None:
            return target
        reach = 2 * self.limits.gripper_rate * period
        return float(np.clip(target, self._gripper - reach, self._gripper + reach))

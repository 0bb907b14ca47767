"""A closed-loop expert for stacking red on blue, from the true state.

What it does next follows from what it sees: red lies on blue -> open and rise; something is between the pads
-> carry it to where it belongs and put it down; else -> go to the planned grasp of what has to move next, and
close there. Blue is first laid flat if it leans, and green taken away if it lies on the others. All motions
are proportional and saturated, and heights follow from the remaining distance (funnels), so that actions
change smoothly with the state.
"""

from typing import Any

import numpy as np

from lossless_sim.control import MAX_LINEAR, WRIST_LIMIT
from lossless_sim.experts.grasp import FLOOR, Grasp, plan
from lossless_sim.experts.view import View

GAIN = 4.0  # [1/s] of the approach to a target
TURN_GAIN = 4.0
APPROACH = 0.09  # height of the approach funnel [m]
CARRY = 0.03  # height of a carried object's bottom over what it is put on [m]
RELEASE = 0.0025  # gap under which it is let go [m]
ALIGNED = 0.012  # distance from the goal at which it may be let go [m]
RISE = 0.07  # how far over red the gripper leaves [m]
CEILING = 0.262  # of the tool centre [m]
OPEN, CLOSE = -1.0, 1.0


class ScriptedExpert:
    """Stacks red on blue; remembers only the grasp it is going for, what it lets go, and what failed."""

    def __init__(self, triplet: str, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.reset()

    def reset(self) -> None:
        """Begin another episode."""
        self._grasp: Grasp | None = None
        self._target = "red"
        self._pose = np.zeros(7)
        self._failed: list[Grasp] = []
        self._hopeless: set[str] = set()
        self._touched = 0
        self._closing = 0
        self._letting: str | None = None

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """The action (5,) float32 for what the environment returned last."""
        view = View.of(obs, info)
        self._touched = self._touched + 1 if view.touching else 0
        if view.success or self._in_place(view):
            return self._leave(view, "red")
        if self._letting not in (None, "red") and self._still_near(view, self._letting):
            return self._leave(view, self._letting)
        held = view.between() if self._touched >= 3 else None
        if held is not None:
            return self._carry(view, held)
        return self._fetch(view)

    def _in_place(self, view: View) -> bool:
        """Red is where it belongs: over blue, its bottom at blue's top (not so strictly once let go)."""
        red, blue = view.solids["red"], view.solids["blue"]
        apart = np.linalg.norm(red.centre[:2] - blue.top_centre())
        gap = red.bottom - blue.top
        if self._letting == "red":
            return bool(apart < 0.04 and abs(gap) < 0.012)
        return bool(apart < ALIGNED and abs(gap) < RELEASE)

    @staticmethod
    def _still_near(view: View, colour: str | None) -> bool:
        """The gripper is not yet clear of an object that it lets go."""
        return colour is not None and view.between() == colour and view.tool[2] < CEILING - 0.005

    def _leave(self, view: View, colour: str) -> np.ndarray:
        """Open, and rise once the pads are off."""
        self._grasp, self._closing, self._letting = None, 0, colour
        goal = min(CEILING, view.solids[colour].top + RISE)
        free = np.clip((view.clearance(colour) - 0.003) / 0.005, 0.0, 1.0)
        return _action(np.array([0.0, 0.0, (goal - view.tool[2]) * free]), 0.0, OPEN)

    def _carry(self, view: View, colour: str) -> np.ndarray:
        """Over the goal, then down, then let go."""
        self._letting = None
        if colour == "red":
            goal, support = view.solids["blue"].top_centre(), view.solids["blue"].top
        else:
            goal, support = view.free_spot(colour), FLOOR
        offset = goal - view.solids[colour].centre[:2]
        distance = float(np.linalg.norm(offset))
        gap = view.solids[colour].bottom - support
        if distance < ALIGNED and gap < RELEASE:
            return self._leave(view, colour)
        over = CARRY + _hurdle(view, colour, goal, support)
        wanted = over * min(1.0, max(0.0, distance - 0.004) / 0.03)
        lift = wanted - gap
        if distance < ALIGNED:
            lift = min(lift, -0.01)
        near = np.clip((0.16 - distance) / 0.06, 0.0, 1.0)
        speed = 1.0 - near * np.clip((wanted - gap - 0.01) / 0.02, 0.0, 1.0)
        return _action(np.append(offset * speed, lift), 0.0, CLOSE)

    def _fetch(self, view: View) -> np.ndarray:
        """Go to the grasp and close there."""
        self._letting = None
        if self._needs_plan(view):
            self._plan(view)
        if self._grasp is None:
            return _action(np.array([0.0, 0.0, CEILING - view.tool[2]]), 0.0, OPEN)
        turn = self._turn(view, self._grasp)
        moved = (view.poses[self._target] - self._pose)[:3]
        offset = self._grasp.position + moved - view.tool
        error = float(np.linalg.norm(offset[:2])) + 0.04 * abs(turn)
        inside = 0.015 if self._closing else 0.005
        if error < inside and abs(offset[2]) < inside:
            return self._close(view, self._grasp, offset, turn)
        self._closing = 0
        above = min(APPROACH, 2.5 * max(0.0, error - 0.004))
        rise = offset[2] + above
        speed = 1.0 - np.clip((rise - 0.01) / 0.03, 0.0, 1.0)
        return _action(np.append(offset[:2] * speed, rise), turn, OPEN)

    def _close(self, view: View, grasp: Grasp, offset: np.ndarray, turn: float) -> np.ndarray:
        """Close on the spot; give the grasp up when the fingers meet."""
        self._closing += 1
        if self._closing > 30 or view.finger > 0.77:
            self._failed.append(grasp)
            self._grasp, self._closing = None, 0
            return _action(np.array([0.0, 0.0, 0.05]), 0.0, OPEN)
        return _action(offset, turn, CLOSE)

    def _needs_plan(self, view: View) -> bool:
        if self._grasp is None:
            return True
        if self._closing:
            return False
        pose = view.poses[self._target]
        moved = np.linalg.norm(pose[:3] - self._pose[:3])
        turned = 2 * np.arccos(min(1.0, abs(float(pose[3:] @ self._pose[3:]))))
        return bool(moved > 0.015 or turned > 0.06)

    def _plan(self, view: View) -> None:
        """Choose what to move next, and how to grasp it; what cannot be grasped is passed over."""
        for colour in self._targets(view):
            grasp = plan(view.solids[colour], view.others(colour), view.yaw, self._failed[-4:])
            if grasp is not None:
                self._grasp, self._target, self._pose = grasp, colour, view.poses[colour].copy()
                return
        self._grasp = None
        self._failed.clear()

    @staticmethod
    def _targets(view: View) -> list[str]:
        """Objects to move, the most urgent first."""
        if view.rests_on("green", "blue") or view.rests_on("green", "red"):
            return ["green", "red", "blue"]
        if view.rests_on("blue", "red") or not view.solids["blue"].lies_flat():
            return ["blue", "red", "green"]
        return ["red", "green", "blue"]

    @staticmethod
    def _turn(view: View, grasp: Grasp) -> float:
        """Angle to turn by [rad], the short way that the wrist can go."""
        short = (grasp.yaw - view.yaw + np.pi / 2) % np.pi - np.pi / 2
        limit = WRIST_LIMIT - 0.02
        if view.wrist + short > limit:
            short -= np.pi
        elif view.wrist + short < -limit:
            short += np.pi
        return float(short)


def _hurdle(view: View, colour: str, goal: np.ndarray, support: float) -> float:
    """How much higher to carry an object so that what stands near its way is cleared [m]."""
    start = view.solids[colour].centre[:2]
    way = goal - start
    length = float(np.linalg.norm(way))
    if length < 1e-6:
        return 0.0
    height = 0.0
    for other in view.others(colour):
        along = np.clip((other.centre[:2] - start) @ way / length, 0.0, length)
        aside = np.linalg.norm(start + way / length * along - other.centre[:2])
        if aside < 0.09 and np.linalg.norm(other.centre[:2] - goal) > 0.03:
            height = max(height, other.top - support)
    return height


def _action(way: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Action (5,) that covers a way (3,) [m] and a turn [rad] proportionally, within the speed limits."""
    velocity = GAIN * way
    norm = float(np.linalg.norm(velocity))
    if norm > MAX_LINEAR:
        velocity = velocity * (MAX_LINEAR / norm)
    return np.append(velocity, [np.clip(TURN_GAIN * turn, -1.0, 1.0), gripper]).astype(np.float32)

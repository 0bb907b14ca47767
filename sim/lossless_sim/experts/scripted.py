"""A closed-loop expert for stacking red on blue, from the true state.

What it does next follows from what it sees: red lies on blue -> open and rise; something is between the pads
-> carry it to where it belongs and put it down; else -> go to the planned grasp of what has to move next, and
close there, or go behind it and tip it over. Blue is first laid so that its top is level, and green taken away
if it lies on the others. All motions are proportional and saturated, and heights follow from the remaining
distance (funnels), so that actions change smoothly with the state.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from lossless_sim.experts.grasp import FLOOR, TURN_COST, Grasp, plan, would_hold
from lossless_sim.experts.motion import (
    CEILING,
    CLOSE,
    CLOSE_BY,
    OPEN,
    action,
    approach,
    carry,
    leave,
    misplaced,
    short_turn,
)
from lossless_sim.experts.tip import Push, can_be_level, is_level, plan_push
from lossless_sim.experts.view import View

RELEASE = 0.0025  # gap under which it is let go [m]
ALIGNED = 0.008  # distance from the goal at which it may be let go [m]
LENIENT_ALIGNED = 0.012  # the same for a lenient expert [m]; stacked is under 0.05
THIN = 0.74  # finger angle beyond which nothing is held [rad]
GIVE_UP = 30  # control steps that closing, or waiting for rest, may take
LENIENT_TURN_COST = 12.0  # [1/rad]: a lenient expert takes the grasp that is nearest to how the hand is turned
PLAN_AGAIN = 8  # control steps after which it plans again, from where the hand is then
TRIES = 3  # of tipping blue; then it stays as it lies


class ScriptedExpert:
    """Stacks red on blue; remembers only what it is going for, what it lets go, and what failed.

    A lenient one closes and lets go wherever that would succeed, not only where it had planned to, and plans from where
    the hand is: so its answers follow from what cameras see, and make sense also where a student drives.
    """

    def __init__(self, triplet: str, seed: int, lenient: bool = False) -> None:
        self._rng = np.random.default_rng(seed)
        self._lenient = lenient
        self._aligned, self._turn_cost = (LENIENT_ALIGNED, LENIENT_TURN_COST) if lenient else (ALIGNED, TURN_COST)
        self.reset()

    def reset(self) -> None:
        """Begin another episode."""
        self._aim: Grasp | Push | None = None
        self._target = "red"
        self._pose = np.zeros(7)
        self._failed_grasps: list[Grasp] = []
        self._failed_pushes: list[Push] = []
        self._touched = 0
        self._busy = 0  # steps of closing, or of pushing
        self._since_plan = 0
        self._waited = 0
        self._letting: str | None = None

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """The action (5,) float32 for what the environment returned last."""
        view = View.of(obs, info)
        self._touched = self._touched + 1 if view.touching and view.finger < THIN else 0
        if view.success or self._in_place(view):
            return self._leave(view, "red")
        if self._letting not in (None, "red") and self._still_near(view, self._letting):
            return self._leave(view, self._letting)
        held = view.between() if self._touched >= 3 else None
        if held is not None:
            return self._carry(view, held)
        self._letting = None
        if self._needs_plan(view):
            if view.moving and self._waited < GIVE_UP:
                self._waited += 1
                return self._rise(view)
            self._waited = 0
            self._plan(view)
        if isinstance(self._aim, Grasp):
            return self._fetch(view, self._aim)
        if isinstance(self._aim, Push):
            return self._tip(view, self._aim)
        return self._rise(view)

    def _in_place(self, view: View) -> bool:
        """Red is where it belongs: over blue, its bottom at blue's top (not so strictly once let go)."""
        red, blue = view.solids["red"], view.solids["blue"]
        apart = np.linalg.norm(red.centre[:2] - blue.top_centre())
        gap = red.bottom - blue.top
        if self._letting == "red":
            return bool(apart < 0.04 and abs(gap) < 0.012)
        return bool(apart < self._aligned and abs(gap) < RELEASE)

    @staticmethod
    def _still_near(view: View, colour: str | None) -> bool:
        """The gripper is not yet clear of an object that it lets go."""
        return colour is not None and view.between() == colour and view.tool[2] < CEILING - 0.005

    @staticmethod
    def _rise(view: View) -> np.ndarray:
        """Up and out of the way, open."""
        return action(np.array([0.0, 0.0, CEILING - view.tool[2]]), 0.0, OPEN)

    def _leave(self, view: View, colour: str) -> np.ndarray:
        """Open, and rise once the pads are off."""
        self._aim, self._busy, self._letting = None, 0, colour
        return leave(view, colour)

    def _carry(self, view: View, colour: str) -> np.ndarray:
        """Over the goal, then down, then let go."""
        self._letting = None
        if colour == "red":
            goal, support = view.solids["blue"].top_centre(), view.solids["blue"].top
        else:
            goal, support = view.free_spot(colour), FLOOR
        distance = float(np.linalg.norm(goal - view.solids[colour].centre[:2]))
        if distance < self._aligned and view.solids[colour].bottom - support < RELEASE:
            return self._leave(view, colour)
        return carry(view, colour, goal, support, self._aligned)

    def _fetch(self, view: View, grasp: Grasp) -> np.ndarray:
        """Go to the grasp and close there; give it up when the fingers meet."""
        if self._lenient and not self._busy and would_hold(view.solids[self._target], view.tool, view.yaw):
            grasp = self._aim = replace(grasp, position=view.tool - self._moved(view), yaw=view.yaw)
        turn = short_turn(view, grasp.yaw)
        offset = grasp.position + self._moved(view) - view.tool
        inside = 0.015 if self._busy else CLOSE_BY
        if misplaced(offset, turn) > inside or abs(offset[2]) > inside:
            self._busy = 0
            return approach(view, offset, turn, OPEN)
        self._busy += 1
        if self._busy > GIVE_UP or view.finger > THIN + 0.03:
            self._failed_grasps.append(grasp)
            return self._drop_aim()
        return action(offset, turn, CLOSE)

    def _tip(self, view: View, push: Push) -> np.ndarray:
        """Go behind the object, closed, and push until it falls over by itself."""
        turn = short_turn(view, push.yaw)
        offset = push.start - view.tool
        if not self._busy:
            offset = offset + self._moved(view)
            if misplaced(offset, turn) > CLOSE_BY or abs(offset[2]) > CLOSE_BY or view.finger < THIN:
                return approach(view, offset, turn, CLOSE)
        self._busy += 1
        if view.turned(self._target, self._pose) > push.turned:
            return self._drop_aim()
        way = push.way(view.tool, view.solids[self._target])
        if way is None or self._busy > 3 * GIVE_UP:
            self._failed_pushes.append(push)
            return self._drop_aim()
        aside = offset[:2] - (offset[:2] @ push.direction) * push.direction
        return action(0.02 * way + np.append(aside, 0.0), turn, CLOSE)

    def _drop_aim(self) -> np.ndarray:
        self._aim, self._busy = None, 0
        return action(np.array([0.0, 0.0, 0.05]), 0.0, OPEN)

    def _moved(self, view: View) -> np.ndarray:
        """Way (3,) of the target since the plan was made [m]."""
        return np.asarray((view.poses[self._target] - self._pose)[:3])

    def _needs_plan(self, view: View) -> bool:
        if self._aim is None:
            return True
        if self._busy:
            return False
        self._since_plan += 1
        if self._lenient and isinstance(self._aim, Grasp) and self._since_plan >= PLAN_AGAIN:
            return True
        return bool(np.linalg.norm(self._moved(view)) > 0.015 or view.turned(self._target, self._pose) > 0.06)

    def _plan(self, view: View) -> None:
        """Choose what to move next, and how; what cannot be moved is passed over."""
        self._since_plan = 0
        for colour, tip in self._wishes(view):
            solid, others = view.solids[colour], view.others(colour)
            aim: Grasp | Push | None
            if tip:
                aim = plan_push(solid, others, view.tool, view.yaw, self._failed_pushes, level=colour == "blue")
            else:
                aim = plan(solid, others, view.yaw, self._failed_grasps[-4:], self._turn_cost)
            if aim is not None:
                self._aim, self._target, self._pose = aim, colour, view.poses[colour].copy()
                return
        self._aim = None
        self._failed_grasps.clear()

    def _wishes(self, view: View) -> list[tuple[str, bool]]:
        """Objects to move, the most urgent first, and whether to tip them over."""
        blue = view.solids["blue"]
        wishes = [("red", False), ("red", True), ("green", False), ("blue", False)]
        if view.rests_on("green", "blue") or view.rests_on("green", "red"):
            return [("green", False), *wishes]
        if view.rests_on("blue", "red") or not blue.lies_flat():
            return [("blue", False), *wishes]
        if not is_level(blue) and can_be_level(blue) and len(self._failed_pushes) < TRIES:
            return [("blue", True), *wishes]
        return wishes

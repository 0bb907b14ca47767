"""Scripted expert: closed-loop stacking of red on blue from the privileged state.

The next action follows from the state: if red lies on blue, open and rise; if an object is between the pads, carry it
to its goal and put it down; otherwise go to the planned grasp of the object that has to move next and close there, or
go behind it and topple it. Blue is first laid so that its top is level, and green is removed if it lies on the others.
All motions are proportional and saturated, and heights follow from the remaining distance (funnels), so that actions
change smoothly with the state.
"""

from typing import Any

import numpy as np

from lossless_sim.experts.grasp import Grasp, plan
from lossless_sim.experts.motion import (
    ARRIVED,
    CLOSE,
    MAX_TCP_HEIGHT,
    OPEN,
    approach,
    carry,
    pose_error,
    proportional_action,
    retreat,
    shortest_turn,
)
from lossless_sim.experts.privileged_state import PrivilegedState
from lossless_sim.experts.push import Push
from lossless_sim.experts.topple import can_be_level, is_level, plan_push
from lossless_sim.scene.basket import FLOOR

RELEASE_GAP = 0.0025  # gap under an object at which it is released [m]
ALIGNED = 0.008  # distance from the goal at which it may be released [m]
RELEASED_ALIGNED = 0.04  # distance from the goal at which a released object is in place [m]
RELEASED_GAP = 0.012  # and the gap under it [m]
EMPTY = 0.74  # finger angle above which nothing is held [rad]
CONTACT_STEPS = 3  # control periods of contact that make a grasp
MAX_WAIT_STEPS = 30  # control periods for closing, or for objects to come to rest
MAX_TOPPLE_ATTEMPTS = 3  # for blue; after that it stays as it lies


class ScriptedExpert:
    """Stacks red on blue; remembers only its plan, what it is releasing, and what failed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start another episode."""
        self._plan: Grasp | Push | None = None
        self._target = "red"
        self._planned_pose = np.zeros(7)  # of the target when the plan was made
        self._failed_grasps: list[Grasp] = []
        self._failed_pushes: list[Push] = []
        self._contact_steps = 0
        self._execution_steps = 0  # of closing or pushing
        self._waited = 0
        self._releasing: str | None = None

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of the environment."""
        state = PrivilegedState.of(obs, info)
        in_contact = state.pads_in_contact and state.finger_angle < EMPTY
        self._contact_steps = self._contact_steps + 1 if in_contact else 0
        if state.success or self._is_in_place(state):
            return self._release(state, "red")
        if self._releasing not in (None, "red") and self._is_still_near(state, self._releasing):
            return self._release(state, self._releasing)
        held = state.object_in_gripper() if self._contact_steps >= CONTACT_STEPS else None
        if held is not None:
            return self._carry(state, held)
        self._releasing = None
        if self._needs_plan(state):
            if state.objects_moving and self._waited < MAX_WAIT_STEPS:
                self._waited += 1
                return self._rise(state)
            self._waited = 0
            self._make_plan(state)
        if isinstance(self._plan, Grasp):
            return self._execute_grasp(state, self._plan)
        if isinstance(self._plan, Push):
            return self._execute_push(state, self._plan)
        return self._rise(state)

    def _is_in_place(self, state: PrivilegedState) -> bool:
        """Return whether red is over blue with its bottom at blue's top; tolerances are wider once it is released."""
        red, blue = state.objects["red"], state.objects["blue"]
        distance = np.linalg.norm(red.center[:2] - blue.top_center())
        gap = abs(red.bottom - blue.top)
        if self._releasing == "red":
            return bool(distance < RELEASED_ALIGNED and gap < RELEASED_GAP)
        return bool(distance < ALIGNED and gap < RELEASE_GAP)

    @staticmethod
    def _is_still_near(state: PrivilegedState, color: str | None) -> bool:
        """Return whether the gripper is not yet clear of the object that it releases."""
        return color is not None and state.object_in_gripper() == color and state.tcp[2] < MAX_TCP_HEIGHT - 0.005

    @staticmethod
    def _rise(state: PrivilegedState) -> np.ndarray:
        """Rise out of the way, open."""
        return proportional_action(np.array([0.0, 0.0, MAX_TCP_HEIGHT - state.tcp[2]]), 0.0, OPEN)

    def _release(self, state: PrivilegedState, color: str) -> np.ndarray:
        """Open, and rise once the pads are off."""
        self._plan, self._execution_steps, self._releasing = None, 0, color
        return retreat(state, color)

    def _carry(self, state: PrivilegedState, color: str) -> np.ndarray:
        """Move over the goal, lower, then release."""
        self._releasing = None
        if color == "red":
            goal, support = state.objects["blue"].top_center(), state.objects["blue"].top
        else:
            goal, support = state.free_spot(color), FLOOR
        distance = float(np.linalg.norm(goal - state.objects[color].center[:2]))
        if distance < ALIGNED and state.objects[color].bottom - support < RELEASE_GAP:
            return self._release(state, color)
        return carry(state, color, goal, support, ALIGNED)

    def _execute_grasp(self, state: PrivilegedState, grasp: Grasp) -> np.ndarray:
        """Go to the grasp and close there; give up if the fingers meet."""
        turn = shortest_turn(state, grasp.yaw)
        offset = grasp.position + self._displacement(state) - state.tcp
        tolerance = 0.015 if self._execution_steps else ARRIVED
        if pose_error(offset, turn) > tolerance or abs(offset[2]) > tolerance:
            self._execution_steps = 0
            return approach(state, offset, turn, OPEN)
        self._execution_steps += 1
        if self._execution_steps > MAX_WAIT_STEPS or state.finger_angle > EMPTY + 0.03:
            self._failed_grasps.append(grasp)
            return self._abort()
        return proportional_action(offset, turn, CLOSE)

    def _execute_push(self, state: PrivilegedState, push: Push) -> np.ndarray:
        """Go behind the object with closed fingers, and push until it falls by itself."""
        turn = shortest_turn(state, push.yaw)
        offset = push.start - state.tcp
        if not self._execution_steps:
            offset = offset + self._displacement(state)
            far = pose_error(offset, turn) > ARRIVED or abs(offset[2]) > ARRIVED
            if far or state.finger_angle < EMPTY:
                return approach(state, offset, turn, CLOSE)
        self._execution_steps += 1
        if state.rotation_since(self._target, self._planned_pose) > push.fall_angle:
            return self._abort()
        motion = push.motion(state.tcp, state.objects[self._target])
        if motion is None or self._execution_steps > 3 * MAX_WAIT_STEPS:
            self._failed_pushes.append(push)
            return self._abort()
        aside = offset[:2] - (offset[:2] @ push.direction) * push.direction
        return proportional_action(0.02 * motion + np.append(aside, 0.0), turn, CLOSE)

    def _abort(self) -> np.ndarray:
        """Drop the plan, open and rise."""
        self._plan, self._execution_steps = None, 0
        return proportional_action(np.array([0.0, 0.0, 0.05]), 0.0, OPEN)

    def _displacement(self, state: PrivilegedState) -> np.ndarray:
        """Return the displacement (3,) of the target since the plan was made [m]."""
        return np.asarray((state.poses[self._target] - self._planned_pose)[:3])

    def _needs_plan(self, state: PrivilegedState) -> bool:
        if self._plan is None:
            return True
        if self._execution_steps:
            return False
        moved = np.linalg.norm(self._displacement(state)) > 0.015
        return bool(moved or state.rotation_since(self._target, self._planned_pose) > 0.06)

    def _make_plan(self, state: PrivilegedState) -> None:
        """Choose which object to move and how; objects that cannot be moved are skipped."""
        may_topple_blue = len(self._failed_pushes) < MAX_TOPPLE_ATTEMPTS
        for color, topple in _objects_to_move(state, may_topple_blue):
            shape, others = state.objects[color], state.others(color)
            found: Grasp | Push | None
            if topple:
                found = plan_push(shape, others, state.tcp, state.yaw, self._failed_pushes, level=color == "blue")
            else:
                found = plan(shape, others, state.yaw, self._failed_grasps[-4:])
            if found is not None:
                self._plan, self._target, self._planned_pose = found, color, state.poses[color].copy()
                return
        self._plan = None
        self._failed_grasps.clear()


def _objects_to_move(state: PrivilegedState, may_topple_blue: bool) -> list[tuple[str, bool]]:
    """Return the objects to move, most urgent first, and whether to topple them."""
    blue = state.objects["blue"]
    default = [("red", False), ("red", True), ("green", False), ("blue", False)]
    if state.rests_on("green", "blue") or state.rests_on("green", "red"):
        return [("green", False), *default]
    if state.rests_on("blue", "red") or not blue.lies_flat():
        return [("blue", False), *default]
    if not is_level(blue) and can_be_level(blue) and may_topple_blue:
        return [("blue", True), *default]
    return default

"""Reactive expert: memoryless and easy to imitate, since its action follows from the current observation alone.

It has no plan, and turns the gripper only where red would not fit: a convex object aligns itself between the closing
pads. Its thresholds for closing and releasing leave room for a student's errors. It neither topples blue nor moves
green, so it is meant for triplets that need neither.
"""

from typing import Any

import numpy as np

from lossless_sim.experts.grasp import YAWS
from lossless_sim.experts.gripper import MIN_TCP_HEIGHT, OPENING, PALM
from lossless_sim.experts.motion import (
    CLOSE,
    OPEN,
    approach,
    carry,
    proportional_action,
    retreat,
    shortest_turn,
)
from lossless_sim.experts.privileged_state import PrivilegedState

CLOSE_HORIZONTAL = 0.014  # distance of the TCP from red at which to close [m]
CLOSE_VERTICAL = 0.012  # and in height [m]
BETWEEN_PADS = 0.022  # distance within which red is still between the closing pads [m]
HELD = 0.035  # distance within which what the pads touch is red [m]
CLOSING = 0.1  # finger angle above which the fingers are closing [rad]
RELEASED = 0.25  # finger angle below which red is released [rad]
ALIGNED = 0.02  # distance of red from its goal at which to release it [m]
RELEASE_GAP = 0.008  # gap under red at which to release it [m]
RELEASED_ALIGNED = 0.04  # the same once red is released; the success criterion is 0.05 [m]
RELEASED_GAP = 0.012  # [m]
MIN_CLEARANCE = 0.005  # on either side of red in the open gripper, below which the gripper turns [m]


class ReactiveExpert:
    """Stacks red on blue without plan or memory."""

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of the environment."""
        state = PrivilegedState.of(obs, info)
        red, blue = state.objects["red"], state.objects["blue"]
        if state.success or _is_in_place(state):
            return retreat(state, "red")
        height = max(MIN_TCP_HEIGHT, red.top - PALM, red.center[2])
        offset = np.append(red.center[:2], height) - state.tcp
        horizontal, vertical = float(np.linalg.norm(offset[:2])), abs(float(offset[2]))
        closing = state.finger_angle > CLOSING
        if state.pads_in_contact and closing and max(horizontal, vertical) < HELD:
            return carry(state, "red", blue.top_center(), blue.top, ALIGNED)
        if closing and max(horizontal, vertical) < BETWEEN_PADS:
            return proportional_action(np.zeros(3), 0.0, CLOSE)
        if horizontal < CLOSE_HORIZONTAL and vertical < CLOSE_VERTICAL:
            return proportional_action(offset, 0.0, CLOSE)
        return approach(state, offset, _turn_to_fit(state), OPEN)


def _is_in_place(state: PrivilegedState) -> bool:
    """Return whether red is over blue with its bottom at blue's top."""
    red, blue = state.objects["red"], state.objects["blue"]
    distance = float(np.linalg.norm(red.center[:2] - blue.top_center()))
    gap = abs(red.bottom - blue.top)
    if state.finger_angle < RELEASED and distance < RELEASED_ALIGNED and gap < RELEASED_GAP:
        return True
    return distance < ALIGNED and gap < RELEASE_GAP


def _turn_to_fit(state: PrivilegedState) -> float:
    """Return the turn [rad] after which red fits into the open gripper, 0 if it does already."""
    red = state.objects["red"]
    room = OPENING - MIN_CLEARANCE
    if red.half_width(state.yaw) < room:
        return 0.0
    turns = [shortest_turn(state, float(yaw)) for yaw in YAWS if red.half_width(float(yaw)) < room]
    if not turns:
        turns = [shortest_turn(state, float(min(YAWS, key=red.half_width)))]
    return min(turns, key=abs)

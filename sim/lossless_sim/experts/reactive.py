"""An expert for students: what it does follows from what cameras and joints show now, and from nothing else.

It has neither plan nor memory, and turns the hand only where red would not fit into it: a convex object turns by itself
between the closing pads. Where it closes and lets go there is room for a student's error. It does not tip blue over and
does not mind green, so it is for triplets whose objects allow that.
"""

from typing import Any

import numpy as np

from lossless_sim.experts.grasp import LOWEST, OPENING, PALM, TURNS
from lossless_sim.experts.motion import CLOSE, OPEN, action, approach, carry, leave, short_turn
from lossless_sim.experts.solid import Solid
from lossless_sim.experts.view import View

CLOSE_BESIDE, CLOSE_ABOVE = 0.014, 0.012  # of red's centre, in the plane and in height: close [m]
BETWEEN = 0.022  # of red's centre: red is still between closing pads, which have not slid off it [m]
HELD_WITHIN = 0.035  # and what the pads touch is red [m]
CLOSING = 0.1  # finger angle beyond which the fingers are on their way [rad]
OPENED = 0.25  # and under which they have let go [rad]
ALIGNED, RELEASE = 0.02, 0.008  # in the plane from where red belongs, and the gap under it: let go [m]
LEFT_ALIGNED, LEFT_GAP = 0.04, 0.012  # the same once it is let go [m]; stacked is under 0.05
ROOM = 0.005  # beside red in the open hand, under which the hand turns [m]


class ReactiveExpert:
    """Stacks red on blue without plan and memory."""

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """The action (5,) float32 for what the environment returned last."""
        view = View.of(obs, info)
        red, blue = view.solids["red"], view.solids["blue"]
        if view.success or _in_place(view):
            return leave(view, "red")
        offset = np.append(red.centre[:2], max(LOWEST, red.top - PALM, red.centre[2])) - view.tool
        beside, above = float(np.linalg.norm(offset[:2])), abs(float(offset[2]))
        if view.touching and view.finger > CLOSING and max(beside, above) < HELD_WITHIN:
            return carry(view, "red", blue.top_centre(), blue.top, ALIGNED)
        if view.finger > CLOSING and max(beside, above) < BETWEEN:
            return action(np.zeros(3), 0.0, CLOSE)
        if beside < CLOSE_BESIDE and above < CLOSE_ABOVE:
            return action(offset, 0.0, CLOSE)
        return approach(view, offset, _turn(view), OPEN)


def _in_place(view: View) -> bool:
    """Red is where it belongs: over blue, its bottom at blue's top."""
    red, blue = view.solids["red"], view.solids["blue"]
    apart = float(np.linalg.norm(red.centre[:2] - blue.top_centre()))
    gap = abs(red.bottom - blue.top)
    if view.finger < OPENED and apart < LEFT_ALIGNED and gap < LEFT_GAP:
        return True
    return apart < ALIGNED and gap < RELEASE


def _turn(view: View) -> float:
    """Angle to turn by [rad] so that red fits into the open hand; 0 if it does."""
    red = view.solids["red"]
    if _half_width(red, view.yaw) < OPENING - ROOM:
        return 0.0
    turns = [short_turn(view, float(yaw)) for yaw in TURNS if _half_width(red, float(yaw)) < OPENING - ROOM]
    if not turns:
        turns = [short_turn(view, float(min(TURNS, key=lambda yaw: _half_width(red, yaw))))]
    return min(turns, key=abs)


def _half_width(solid: Solid, yaw: float) -> float:
    """How far a solid reaches from its centre along a closing direction [m]."""
    return float(np.abs((solid.vertices - solid.centre)[:, :2] @ [np.cos(yaw), np.sin(yaw)]).max())

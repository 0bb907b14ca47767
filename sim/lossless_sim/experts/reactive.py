"""Reactive expert: memoryless and easy to imitate, since its action follows from the current observation alone.

It closes around red's center and stays still until the pads touch. It turns the gripper only where red does not fit,
would slip out, or another object is in the fingers' way, which a student can see; elsewhere the closing pads align red.
Its thresholds for closing and releasing leave room for a student's errors, and it keeps red over blue until the pads
are off. It neither topples nor moves other objects.
"""

from typing import Any

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron
from lossless_sim.experts.grasp import YAWS, clearance_cost
from lossless_sim.experts.gripper import MIN_TCP_HEIGHT, OPENING, PALM
from lossless_sim.experts.motion import (
    CLOSE,
    FINGERS_OPEN,
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
OVERLAP = 0.014  # of the pads and red beyond which they cannot be on both sides of it [m]
PADS_OFF = 0.001  # gap between the pads and red beyond which they do not move it [m]
RELEASED = 0.002  # gap between the pads and red beyond which it is released [m]
ALIGNED = 0.02  # distance of red from its goal at which to release it [m]
RELEASE_GAP = 0.008  # gap under red at which to release it [m]
RELEASED_ALIGNED = 0.04  # the same once red is released; the success criterion is 0.05 [m]
RELEASED_GAP = 0.012  # [m]
MIN_CLEARANCE = 0.005  # on either side of red in the open gripper, below which the gripper turns [m]
MAX_FACE_TILT = 0.4  # vertical part of the normals of the faces to grasp, beyond which red slips out
MAX_FACE_COS = -0.75  # cosine of the angle between these normals, beyond which red slips out sideways


class ReactiveExpert:
    """Stacks red on blue without plan or memory."""

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of the environment."""
        state = PrivilegedState.of(obs, info)
        red, blue = state.objects["red"], state.objects["blue"]
        if state.success or _is_in_place(state):
            return _release(state)
        height = max(MIN_TCP_HEIGHT, red.top - PALM, red.center[2])
        grasp = np.append(red.center[:2], height)
        offset = grasp - state.tcp
        horizontal, vertical = float(np.linalg.norm(offset[:2])), abs(float(offset[2]))
        closing = state.finger_angle > CLOSING
        if state.pads_in_contact and closing and max(horizontal, vertical) < HELD:
            return carry(state, "red", _goal(blue), blue.top, ALIGNED)
        if closing and max(horizontal, vertical) < BETWEEN_PADS and _is_between_pads(state):
            return proportional_action(np.zeros(3), 0.0, CLOSE)
        if not closing and horizontal < CLOSE_HORIZONTAL and vertical < CLOSE_VERTICAL:
            return proportional_action(offset, 0.0, CLOSE)
        return approach(state, offset, _turn_to_grasp(state, grasp), OPEN)


def _release(state: PrivilegedState) -> np.ndarray:
    """Return the action (5,) that opens the fingers, keeps red in place until the pads are off it, and rises."""
    if state.finger_angle > FINGERS_OPEN and _is_between_pads(state) and state.pad_clearance("red") < PADS_OFF:
        offset = _goal(state.objects["blue"]) - state.objects["red"].center[:2]
        return proportional_action(np.append(offset, 0.0), 0.0, OPEN)
    return retreat(state, "red")


def _is_between_pads(state: PrivilegedState) -> bool:
    """Return whether the pads are on both sides of red, rather than closed beside it."""
    return state.pad_clearance("red") > -OVERLAP


def _is_in_place(state: PrivilegedState) -> bool:
    """Return whether red is over blue with its bottom at blue's top."""
    red, blue = state.objects["red"], state.objects["blue"]
    distance = float(np.linalg.norm(red.center[:2] - _goal(blue)))
    gap = abs(red.bottom - blue.top)
    if distance < ALIGNED and gap < RELEASE_GAP:
        return True
    return distance < RELEASED_ALIGNED and gap < RELEASED_GAP and state.pad_clearance("red") > RELEASED


def _goal(blue: ConvexPolyhedron) -> np.ndarray:
    """Return where red's center belongs (2,) [m]: over blue's center of mass, or over its top face if that is aside."""
    hits = blue.intersect_rays(blue.center[None], np.array([0.0, 0.0, 1.0]))
    return blue.center[:2] if hits.exit_face[0] == blue.normals[:, 2].argmax() else blue.top_center()


def _turn_to_grasp(state: PrivilegedState, grasp: np.ndarray) -> float:
    """Return the smallest turn [rad] with which the fingers can grasp red at a TCP (3,) [m], often 0.

    The fingers are clear of the other objects and of the basket there, unless that is so nowhere.
    """
    red, others = state.objects["red"], state.others("red")

    def can_grasp(yaw: float) -> bool:
        return red.half_width(yaw) < OPENING - MIN_CLEARANCE and _has_opposite_faces(red, yaw)

    def is_clear(yaw: float) -> bool:
        return clearance_cost(grasp, yaw, red.half_width(yaw), others) is not None

    if can_grasp(state.yaw) and is_clear(state.yaw):
        return 0.0
    possible = [float(yaw) for yaw in YAWS if can_grasp(float(yaw))] or [float(min(YAWS, key=red.half_width))]
    clear = [yaw for yaw in possible if is_clear(yaw)]
    return min((shortest_turn(state, yaw) for yaw in clear or possible), key=abs)


def _has_opposite_faces(shape: ConvexPolyhedron, yaw: float) -> bool:
    """Return whether the faces that the pads meet beside the center are nearly upright and opposite to each other."""
    near, far = shape.faces_along(yaw)
    return bool(max(abs(near[2]), abs(far[2])) < MAX_FACE_TILT and near @ far < MAX_FACE_COS)

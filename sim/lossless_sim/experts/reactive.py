"""Reactive expert: memoryless and easy to imitate, since its action follows from the current observation alone.

It has no plan, and turns the gripper only where red would not fit: a convex object aligns itself between the closing
pads. Every stage steers towards its place all the time, so that disturbances do not add up while the fingers move,
which takes up to a second. Its thresholds leave room for a student's errors.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lossless_sim.experts.convex_polyhedron import object_polyhedron
from lossless_sim.experts.grasp import candidates
from lossless_sim.experts.gripper import FINGERS_MEET, MIN_TCP_HEIGHT, OPENING, PALM
from lossless_sim.experts.motion import (
    CLOSE,
    MAX_TCP_HEIGHT,
    OPEN,
    RETREAT_HEIGHT,
    approach,
    obstacle_clearance,
    proportional_action,
)
from lossless_sim.experts.pad_contact import closing_axes, pad_rays
from lossless_sim.experts.privileged_state import PrivilegedState
from lossless_sim.scene.basket import FLOOR

CLOSE_HORIZONTAL = 0.014  # distance of the TCP from red at which to close [m]
CLOSE_VERTICAL = 0.012  # and in height [m]
BETWEEN_PADS = 0.022  # distance within which red is still between the closing pads [m]
CLOSE_TURN = 0.4  # turn to a good grasp at which to close [rad]
OVERLAP = 0.014  # of the pads and red beyond which they cannot be around it [m]
CLOSING = 0.1  # finger angle above which the fingers are closing [rad]
ALIGNED = 0.02  # distance of red from its goal at which to release it [m]
RELEASE_GAP = 0.008  # gap under red at which to release it [m]
IN_PLACE = 0.045  # distance of red from blue within which it stays once released; the success criterion is 0.05 [m]
IN_PLACE_GAP = 0.012  # [m]
ABOVE = 0.02  # height of red's center above blue's, at least [m]
TURN_COST = 12.0  # of the turn to a grasp [1/rad]; the costs of grasps are roughly in millimeters
WRIST_COMFORT = 1.25  # wrist angle beyond which turns cost more [rad]
WRIST_COST = 50.0  # [1/rad]
CARRY_HEIGHT = 0.03  # of red's bottom above its support [m]
LIFTED = 0.01  # of red's bottom above the floor [m]


class ReactiveExpert:
    """Stacks red on blue without plan or memory."""

    branch = ""

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of the environment."""
        state = PrivilegedState.of(obs, info)
        red = state.objects["red"]
        if _is_in_place(state):
            self.branch = "release"
            return _release(state)
        closing = state.finger_angle > CLOSING
        between = closing and _red_between_pads(state)
        if between and state.pads_in_contact and red.bottom > FLOOR + LIFTED:
            self.branch = "carry"
            return _carry(state)
        place, turn = _grasp(state)
        offset = place - state.tcp
        horizontal, vertical = float(np.linalg.norm(offset[:2])), abs(float(offset[2]))
        if between and max(horizontal, vertical) < BETWEEN_PADS:
            if state.pads_in_contact:
                self.branch = "lift"
                return _carry(state)
            self.branch = "close"
            return proportional_action(offset, 0.0, CLOSE)
        if not closing and horizontal < CLOSE_HORIZONTAL and vertical < CLOSE_VERTICAL and abs(turn) < CLOSE_TURN:
            self.branch = "close"
            return proportional_action(offset, 0.0, CLOSE)
        self.branch = "approach"
        return approach(state, offset, turn, OPEN)


def _carry(state: PrivilegedState) -> np.ndarray:
    """Lift red, move it over blue, and lower it."""
    red, blue = state.objects["red"], state.objects["blue"]
    offset = blue.top_center() - red.center[:2]
    distance = float(np.linalg.norm(offset))
    gap = red.bottom - blue.top
    height = CARRY_HEIGHT + obstacle_clearance(state, "red", blue.top_center(), blue.top)
    lift = height * min(1.0, max(0.0, distance - 0.004) / 0.03) - gap
    speed = 1.0 - np.clip((lift - 0.01) / 0.02, 0.0, 1.0)
    if distance < ALIGNED:
        lift = min(lift, -0.01)
    lift = min(lift, 0.005 + 2.0 * max(0.0, red.bottom - FLOOR))  # slowly at first: the grip is still tightening
    return proportional_action(np.append(offset * speed, lift), 0.0, CLOSE)


def _is_in_place(state: PrivilegedState) -> bool:
    """Return whether red is over blue with its bottom at blue's top; tolerances are wider once it is released."""
    red, blue = state.objects["red"], state.objects["blue"]
    distance = float(np.linalg.norm(red.center[:2] - blue.top_center()))
    gap = red.bottom - blue.top
    if distance < ALIGNED and abs(gap) < RELEASE_GAP:
        return True
    released = state.success or state.pad_clearance("red") > 0.002
    return released and distance < IN_PLACE and gap < IN_PLACE_GAP and red.center[2] > blue.center[2] + ABOVE


def _release(state: PrivilegedState) -> np.ndarray:
    """Open the gripper, keep red in place until the pads are off, and rise."""
    red, blue = state.objects["red"], state.objects["blue"]
    clearance = state.pad_clearance("red")
    free = float(np.clip((clearance - 0.002) / 0.004, 0.0, 1.0))
    place = blue.top_center() - red.center[:2]
    closing = np.array([np.cos(state.yaw), np.sin(state.yaw)])
    center = (red.center[:2] - state.tcp[:2]) @ closing * closing
    press = -np.clip(red.bottom - blue.top + 0.001, -0.003, 0.003)
    goal = min(MAX_TCP_HEIGHT, red.top + RETREAT_HEIGHT)
    held = np.append(place, press)
    left = np.append(center, goal - state.tcp[2])
    return proportional_action((1.0 - free) * held + free * left, 0.0, OPEN)


def _red_between_pads(state: PrivilegedState) -> bool:
    """Return whether red is where the pads are, and not so far out that they cannot be around it."""
    closing, across = closing_axes(state.yaw)
    hits = state.objects["red"].intersect_rays(state.tcp + pad_rays(across, np.zeros(1))[0], closing)
    if not hits.hit.any():
        return False
    reach = max(float(hits.exit[hits.hit].max()), -float(hits.entry[hits.hit].min()))
    opening = OPENING * (1.0 - state.finger_angle / FINGERS_MEET)
    return reach - opening < OVERLAP


def _grasp(state: PrivilegedState) -> tuple[np.ndarray, float]:
    """Return the TCP (3,) [m] at which to close around red, and the turn [rad] to the faces that the pads touch."""
    poses = tuple(tuple(np.round(pose, 3)) for pose in state.poses.values())
    grasps = _grasps(state.names, poses)
    if not len(grasps):
        red = state.objects["red"]
        return np.append(red.center[:2], max(MIN_TCP_HEIGHT, red.top - PALM, red.center[2])), 0.0
    turns = (grasps[:, 3] - state.yaw + np.pi / 2) % np.pi - np.pi / 2
    turns = np.concatenate([turns, turns - np.copysign(np.pi, turns)])
    strain = np.maximum(0.0, np.abs(state.wrist_angle + turns) - WRIST_COMFORT)
    best = int(np.argmin(np.tile(grasps[:, 4], 2) + TURN_COST * np.abs(turns) + WRIST_COST * strain))
    return grasps[best % len(grasps), :3], float(turns[best])


@lru_cache(maxsize=64)
def _grasps(names: tuple[str, ...], poses: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Return the grasps of red (N, 5): TCP [m], yaw [rad], and cost, for object poses rounded to 1 mm."""
    red, *others = [object_polyhedron(name).transformed(np.array(pose)) for name, pose in zip(names, poses, strict=True)]
    return np.array([[*grasp.position, grasp.yaw, grasp.cost] for grasp in candidates(red, others)])

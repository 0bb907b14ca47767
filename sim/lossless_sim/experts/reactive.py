"""Reactive expert: memoryless and easy to imitate, since its action follows from the current observation alone.

It closes around red's middle, on the faces that are nearest to turn to among those where the fingers fit, and turns
only as far as it must: the closing pads do the rest, and small turns are hard to see for a student. Every stage
steers towards its place all the time, so that disturbances do not add up while the fingers move, which takes up to a
second. Its thresholds leave room for a student's errors. A blue object that leans on a wall is moved away from it
first, because red would slide off. It neither topples blue nor moves green.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron, object_polyhedron
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
from lossless_sim.scene.basket import CENTER, FLOOR

CLOSE_HORIZONTAL = 0.014  # distance of the TCP from red at which to close [m]
CLOSE_VERTICAL = 0.012  # and in height [m]
BETWEEN_PADS = 0.022  # distance within which red is still between the closing pads [m]
ENOUGH_TURN = 0.25  # turn within which the closing pads align an object by themselves [rad]
CLOSE_TURN = 0.2  # turn beyond that at which to close [rad]
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
AT_WALL = 0.08  # distance of blue from the basket's center beyond which it may lean on a wall [m]
FROM_WALL = 0.065  # distance to which it is moved then [m]
LIFTED = 0.01  # of red's bottom above the floor [m]


class ReactiveExpert:
    """Stacks red on blue without plan or memory."""

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of the environment."""
        state = PrivilegedState.of(obs, info)
        if _is_in_place(state):
            return _release(state)
        target = "blue" if _has_to_move_blue(state) else "red"
        around = state.finger_angle > CLOSING and _gap(state, target) > -OVERLAP
        if around and state.pads_in_contact and state.objects[target].bottom > FLOOR + LIFTED:
            return _carry(state, target)
        if target == "red" and state.object_in_gripper() == "blue":
            return _leave(state, "blue")
        place, turn = _grasp(state, target)
        offset = place - state.tcp
        horizontal, vertical = float(np.linalg.norm(offset[:2])), abs(float(offset[2]))
        if around and max(horizontal, vertical) < BETWEEN_PADS:
            return _carry(state, target) if state.pads_in_contact else proportional_action(offset, 0.0, CLOSE)
        near = horizontal < CLOSE_HORIZONTAL and vertical < CLOSE_VERTICAL and abs(turn) < CLOSE_TURN
        if near and state.finger_angle < CLOSING:
            return proportional_action(offset, 0.0, CLOSE)
        return approach(state, offset, turn, OPEN)


def _leave(state: PrivilegedState, color: str) -> np.ndarray:
    """Open the gripper around an object, and rise once the pads are off."""
    rise = 0.0 if _is_held(state, color) else state.objects[color].top + CARRY_HEIGHT - state.tcp[2]
    return proportional_action(np.array([0.0, 0.0, rise]), 0.0, OPEN)


def _has_to_move_blue(state: PrivilegedState) -> bool:
    """Return whether blue leans on a wall, so that red would slide off, or is being moved away from there."""
    red, blue = state.objects["red"], state.objects["blue"]
    if blue.lies_flat() or state.rests_on("red", "blue") or _is_held(state, "red"):
        return False
    at_wall = float(np.abs(blue.center[:2] - CENTER).max()) > AT_WALL
    return at_wall or (_is_held(state, "blue") and blue.bottom > FLOOR + LIFTED and red.bottom < blue.bottom)


def _is_held(state: PrivilegedState, color: str) -> bool:
    """Return whether an object is between the pads, which press on it."""
    return state.finger_angle > CLOSING and -OVERLAP < _gap(state, color) < 0.0


def _goal(blue: ConvexPolyhedron) -> np.ndarray:
    """Return where red's center belongs (2,) [m]: over blue's center of mass, or over its top face if that is aside."""
    up = np.array([0.0, 0.0, 1.0])
    hits = blue.intersect_rays(blue.center[None], up)
    return blue.center[:2] if hits.exit_face[0] == blue.normals[:, 2].argmax() else blue.top_center()


def _gap(state: PrivilegedState, color: str) -> float:
    """Return the gap between the pads and an object [m]; about -3 mm where they hold it, -1 where it is elsewhere."""
    closing, across = closing_axes(state.yaw)
    hits = state.objects[color].intersect_rays(state.tcp + pad_rays(across, np.zeros(1))[0], closing)
    if not hits.hit.any():
        return -1.0
    reach = max(float(hits.exit[hits.hit].max()), -float(hits.entry[hits.hit].min()))
    return OPENING * (1.0 - state.finger_angle / FINGERS_MEET) - reach


def _carry(state: PrivilegedState, color: str) -> np.ndarray:
    """Lift an object, move it over its goal, and lower it."""
    shape, blue = state.objects[color], state.objects["blue"]
    if color == "red":
        goal, support, height = _goal(blue), blue.top, CARRY_HEIGHT
    else:
        goal, support, height = CENTER + np.clip(blue.center[:2] - CENTER, -FROM_WALL, FROM_WALL), FLOOR, LIFTED + 0.01
    offset = goal - shape.center[:2]
    distance = float(np.linalg.norm(offset))
    gap = shape.bottom - support
    height += obstacle_clearance(state, color, goal, support) if color == "red" else 0.0
    lift = height * min(1.0, max(0.0, distance - 0.004) / 0.03) - gap
    speed = 1.0 - np.clip((lift - 0.01) / 0.02, 0.0, 1.0)
    if distance < ALIGNED:
        lift = min(lift, -0.01)
    lift = min(lift, 0.005 + 2.0 * max(0.0, shape.bottom - FLOOR))  # slowly at first: the grip is still tightening
    return proportional_action(np.append(offset * speed, lift), 0.0, CLOSE)


def _is_in_place(state: PrivilegedState) -> bool:
    """Return whether red is over blue with its bottom at blue's top; tolerances are wider once it is released."""
    red, blue = state.objects["red"], state.objects["blue"]
    distance = float(np.linalg.norm(red.center[:2] - _goal(blue)))
    gap = red.bottom - blue.top
    if distance < ALIGNED and abs(gap) < RELEASE_GAP:
        return True
    released = state.success or not -OVERLAP < _gap(state, "red") < 0.002
    return released and distance < IN_PLACE and gap < IN_PLACE_GAP and red.center[2] > blue.center[2] + ABOVE


def _release(state: PrivilegedState) -> np.ndarray:
    """Open the gripper, keep red in place until the pads are off, and rise."""
    red, blue = state.objects["red"], state.objects["blue"]
    gap = _gap(state, "red")
    free = float(np.clip(gap / 0.004, 0.0, 1.0)) if gap > -OVERLAP else 1.0
    place = _goal(blue) - red.center[:2]
    closing = np.array([np.cos(state.yaw), np.sin(state.yaw)])
    center = (red.center[:2] - state.tcp[:2]) @ closing * closing * (gap > -OVERLAP)
    press = -np.clip(red.bottom - blue.top + 0.001, -0.003, 0.003)
    goal = min(MAX_TCP_HEIGHT, red.top + RETREAT_HEIGHT)
    held = np.append(place, press)
    left = np.append(center, goal - state.tcp[2])
    return proportional_action((1.0 - free) * held + free * left, 0.0, OPEN)


def _grasp(state: PrivilegedState, color: str) -> tuple[np.ndarray, float]:
    """Return the TCP (3,) [m] at which to close around an object, and the turn [rad] to the faces to touch."""
    colors = sorted(state.poses, key=lambda name: name != color)  # the object itself first
    shapes = dict(zip(state.poses, state.names, strict=True))
    poses = tuple(tuple(np.round(state.poses[name], 3)) for name in colors)
    grasps = _grasps(tuple(shapes[name] for name in colors), poses)
    if not len(grasps):
        shape = state.objects[color]
        return np.append(shape.center[:2], max(MIN_TCP_HEIGHT, shape.top - PALM, shape.center[2])), 0.0
    turns = (grasps[:, 3] - state.yaw + np.pi / 2) % np.pi - np.pi / 2
    turns = np.concatenate([turns, turns - np.copysign(np.pi, turns)])
    strain = np.maximum(0.0, np.abs(state.wrist_angle + turns) - WRIST_COMFORT)
    best = int(np.argmin(np.tile(grasps[:, 4], 2) + TURN_COST * np.abs(turns) + WRIST_COST * strain))
    turn = float(turns[best])
    return grasps[best % len(grasps), :3], float(np.copysign(max(0.0, abs(turn) - ENOUGH_TURN), turn))


@lru_cache(maxsize=64)
def _grasps(names: tuple[str, ...], poses: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Return the grasps of the first object (N, 5): TCP [m], yaw [rad], and cost, for poses rounded to 1 mm."""
    target, *others = [
        object_polyhedron(name).transformed(np.array(pose)) for name, pose in zip(names, poses, strict=True)
    ]
    return np.array([[*grasp.position, grasp.yaw, grasp.cost] for grasp in candidates(target, others)])

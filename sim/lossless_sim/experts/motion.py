"""Motion primitives of the experts: proportional, saturated, and over obstacles."""

import numpy as np

from lossless_sim.control import MAX_ANGULAR, MAX_LINEAR, WRIST_LIMIT
from lossless_sim.experts.gripper import FINGERTIP_CLOSED, FINGERTIP_OPEN
from lossless_sim.experts.privileged_state import PrivilegedState

GAIN = 4.0  # of the approach to a target [1/s]
TURN_GAIN = 4.0  # [1/s]
CLEARANCE = 0.008  # between the fingertips and what they pass over [m]
MIN_FUNNEL_HEIGHT = 0.02  # of the approach from above [m]
HAND_REACH = 0.08  # of the open gripper around the TCP [m]
ARRIVED = 0.005  # distance from a target that counts as reached [m]
CARRY_HEIGHT = 0.03  # of a carried object's bottom above its support [m]
RETREAT_HEIGHT = 0.07  # of the TCP above the released object [m]
MAX_TCP_HEIGHT = 0.262  # [m]
FINGERS_OPEN = 0.02  # finger angle below which the fingers are open [rad]
OPEN, CLOSE = -1.0, 1.0  # gripper


def proportional_action(offset: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Return the action (5,) towards an offset (3,) [m] and a turn [rad], proportional up to the speed limits."""
    velocity = GAIN * offset
    norm = float(np.linalg.norm(velocity))
    if norm > MAX_LINEAR:
        velocity = velocity * (MAX_LINEAR / norm)
    return np.append(velocity, [np.clip(TURN_GAIN * turn, -MAX_ANGULAR, MAX_ANGULAR), gripper]).astype(np.float32)


def approach(state: PrivilegedState, offset: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Return the action (5,) towards a place `offset` (3,) [m] and `turn` [rad] away, from above, over obstacles."""
    place = state.tcp + offset
    fingertip = FINGERTIP_OPEN if gripper < 0 else FINGERTIP_CLOSED
    safe_height = _highest_obstacle(state, place[:2]) + CLEARANCE - fingertip
    funnel = 2.5 * max(0.0, pose_error(offset, turn) - 0.004)
    rise = offset[2] + min(max(MIN_FUNNEL_HEIGHT, safe_height - place[2]), funnel)
    speed = 1.0 - np.clip((rise - 0.01) / 0.03, 0.0, 1.0)
    return proportional_action(np.append(offset[:2] * speed, rise), turn, gripper)


def _highest_obstacle(state: PrivilegedState, goal: np.ndarray) -> float:
    """Return the height of what the open gripper may touch on the way to the goal (2,) [m]."""
    start = state.tcp[:2]
    path = goal - start
    length = max(1e-6, float(np.linalg.norm(path)))
    points = np.concatenate([shape.vertices for shape in state.objects.values()])
    along = np.clip((points[:, :2] - start) @ path / length, 0.0, length)
    aside = np.linalg.norm(start + np.outer(along, path / length) - points[:, :2], axis=1)
    return float(points[aside < HAND_REACH, 2].max(initial=0.0))


def pose_error(offset: np.ndarray, turn: float) -> float:
    """Return the distance to a pose in the plane [m]; a turn counts 40 mm per radian."""
    return float(np.linalg.norm(offset[:2])) + 0.04 * abs(turn)


def shortest_turn(state: PrivilegedState, yaw: float) -> float:
    """Return the smallest turn [rad] to the closing direction `yaw` within the limits of the wrist."""
    turn = (yaw - state.yaw + np.pi / 2) % np.pi - np.pi / 2
    limit = WRIST_LIMIT - 0.02
    if state.wrist_angle + turn > limit:
        turn -= np.pi
    elif state.wrist_angle + turn < -limit:
        turn += np.pi
    return float(turn)


def obstacle_clearance(state: PrivilegedState, color: str, goal: np.ndarray, support: float) -> float:
    """Return how much higher to carry an object so that it clears the obstacles on its way [m]."""
    start = state.objects[color].center[:2]
    path = goal - start
    length = float(np.linalg.norm(path))
    if length < 1e-6:
        return 0.0
    height = 0.0
    for other in state.others(color):
        along = np.clip((other.center[:2] - start) @ path / length, 0.0, length)
        aside = np.linalg.norm(start + path / length * along - other.center[:2])
        if aside < 0.09 and np.linalg.norm(other.center[:2] - goal) > 0.03:
            height = max(height, other.top - support)
    return height


def carry(state: PrivilegedState, color: str, goal: np.ndarray, support: float, aligned: float) -> np.ndarray:
    """Return the action (5,) that moves a grasped object over its goal and then down; the caller releases it.

    Args:
        state: current state.
        color: the grasped object.
        goal: where its center belongs (2,) [m].
        support: height of the surface under the goal [m].
        aligned: distance from the goal below which it is lowered [m].
    """
    offset = goal - state.objects[color].center[:2]
    distance = float(np.linalg.norm(offset))
    gap = state.objects[color].bottom - support
    height = CARRY_HEIGHT + obstacle_clearance(state, color, goal, support)
    wanted = height * min(1.0, max(0.0, distance - 0.004) / 0.03)
    lift = wanted - gap
    if distance < aligned:
        lift = min(lift, -0.01)
    near = np.clip((0.16 - distance) / 0.06, 0.0, 1.0)
    speed = 1.0 - near * np.clip((wanted - gap - 0.01) / 0.02, 0.0, 1.0)
    return proportional_action(np.append(offset * speed, lift), 0.0, CLOSE)


def retreat(state: PrivilegedState, color: str) -> np.ndarray:
    """Return the action (5,) that releases an object and rises once the pads are off."""
    goal = min(MAX_TCP_HEIGHT, state.objects[color].top + RETREAT_HEIGHT)
    is_open = state.finger_angle < FINGERS_OPEN
    free = 1.0 if is_open else np.clip((state.pad_clearance(color) - 0.003) / 0.005, 0.0, 1.0)
    return proportional_action(np.array([0.0, 0.0, (goal - state.tcp[2]) * free]), 0.0, OPEN)

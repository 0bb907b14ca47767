"""How the scripted expert moves: proportional, saturated, and over what stands in the way."""

import numpy as np

from lossless_sim.control import MAX_LINEAR, WRIST_LIMIT
from lossless_sim.experts.grasp import TIP_CLOSED, TIP_OPEN
from lossless_sim.experts.view import View

GAIN = 4.0  # [1/s] of the approach to a target
TURN_GAIN = 4.0
CLEARANCE = 0.008  # between the finger tips and what they pass over [m]
LEAST_ABOVE = 0.02  # height of the approach funnel at least [m]
HAND = 0.08  # reach of the open hand about the tool centre [m]
CLOSE_BY = 0.005  # from a target: arrived [m]
CARRY = 0.03  # height of a carried object's bottom over what it is put on [m]
RISE = 0.07  # how far over what it let go the gripper leaves [m]
CEILING = 0.262  # of the tool centre [m]
OPEN, CLOSE = -1.0, 1.0


def action(way: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Action (5,) that covers a way (3,) [m] and a turn [rad] proportionally, within the speed limits."""
    velocity = GAIN * way
    norm = float(np.linalg.norm(velocity))
    if norm > MAX_LINEAR:
        velocity = velocity * (MAX_LINEAR / norm)
    return np.append(velocity, [np.clip(TURN_GAIN * turn, -1.0, 1.0), gripper]).astype(np.float32)


def approach(view: View, offset: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Action (5,) towards a place `offset` (3,) [m] and `turn` [rad] away, from above and over what is between."""
    place = view.tool + offset
    over = _top_on_the_way(view, place[:2]) + CLEARANCE - (TIP_OPEN if gripper < 0 else TIP_CLOSED)
    above = min(max(LEAST_ABOVE, over - place[2]), 2.5 * max(0.0, misplaced(offset, turn) - 0.004))
    rise = offset[2] + above
    speed = 1.0 - np.clip((rise - 0.01) / 0.03, 0.0, 1.0)
    return action(np.append(offset[:2] * speed, rise), turn, gripper)


def _top_on_the_way(view: View, goal: np.ndarray) -> float:
    """Height of what the open hand may touch between here and the goal (2,) [m]."""
    start = view.tool[:2]
    way = goal - start
    length = max(1e-6, float(np.linalg.norm(way)))
    points = np.concatenate([solid.vertices for solid in view.solids.values()])
    along = np.clip((points[:, :2] - start) @ way / length, 0.0, length)
    aside = np.linalg.norm(start + np.outer(along, way / length) - points[:, :2], axis=1)
    return float(points[aside < HAND, 2].max(initial=0.0))


def misplaced(offset: np.ndarray, turn: float) -> float:
    """How far from a place in the plane [m], a turn counted as a distance."""
    return float(np.linalg.norm(offset[:2])) + 0.04 * abs(turn)


def short_turn(view: View, yaw: float) -> float:
    """Angle to turn by [rad] to close along `yaw`, the short way that the wrist can go."""
    short = (yaw - view.yaw + np.pi / 2) % np.pi - np.pi / 2
    limit = WRIST_LIMIT - 0.02
    if view.wrist + short > limit:
        short -= np.pi
    elif view.wrist + short < -limit:
        short += np.pi
    return float(short)


def hurdle(view: View, colour: str, goal: np.ndarray, support: float) -> float:
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


def carry(view: View, colour: str, goal: np.ndarray, support: float, aligned: float) -> np.ndarray:
    """Action (5,) that brings a held object over its goal (2,) [m], then down onto the height `support` [m].

    It goes down where the object is nearer to the goal than `aligned` [m]; letting go is left to the caller.
    """
    offset = goal - view.solids[colour].centre[:2]
    distance = float(np.linalg.norm(offset))
    gap = view.solids[colour].bottom - support
    over = CARRY + hurdle(view, colour, goal, support)
    wanted = over * min(1.0, max(0.0, distance - 0.004) / 0.03)
    lift = wanted - gap
    if distance < aligned:
        lift = min(lift, -0.01)
    near = np.clip((0.16 - distance) / 0.06, 0.0, 1.0)
    speed = 1.0 - near * np.clip((wanted - gap - 0.01) / 0.02, 0.0, 1.0)
    return action(np.append(offset * speed, lift), 0.0, CLOSE)


def leave(view: View, colour: str) -> np.ndarray:
    """Action (5,) that lets an object go and rises once the pads are off."""
    goal = min(CEILING, view.solids[colour].top + RISE)
    open_wide = view.finger < 0.02
    free = 1.0 if open_wide else np.clip((view.clearance(colour) - 0.003) / 0.005, 0.0, 1.0)
    return action(np.array([0.0, 0.0, (goal - view.tool[2]) * free]), 0.0, OPEN)

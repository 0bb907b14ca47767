"""Where to grasp a convex object with a parallel gripper from above.

Many grasps (turns, places along the pads, heights) are tried at once: rays along the closing direction,
spread over the pads, say where the pads would touch and on which faces; what stands around says whether the
fingers have room. The best one by a few plain costs, in millimetres or so, is taken.
"""

from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.solid import Solid

# The gripper, measured in the model; heights are above the tool centre, distances from the middle [m].
OPENING = 0.0429  # of an open finger's inner side
FINGER_OUTER = 0.0625  # of its outer side
FINGER_HALF_WIDTH = 0.0115
TIP_OPEN = -0.001  # of the finger tips, open
TIP_CLOSED = -0.014  # and closed: they swing down as they close
PALM = 0.055  # of the lowest part between the fingers
HAND_HALF = np.array([0.075, 0.045])  # of the hand above the fingers, along and across the closing direction
HAND = 0.035
LOWEST = 0.0712  # tool centre, just above the workspace's lower limit
REACH = 0.124  # of the tool centre from the basket's middle, just inside the workspace
MIDDLE = np.array([0.6, 0.0])
FLOOR = 0.0498
WALL_FOOT, WALL_SLOPE = 0.1217, 0.477  # the basket's walls: distance of their foot, and tan(25.5 deg)

TURNS = np.arange(36) * np.pi / 36
SHIFTS = np.array([-0.016, -0.008, 0.0, 0.008, 0.016])  # across the closing direction
RAYS_ACROSS = np.array([-0.009, -0.0045, 0.0, 0.0045, 0.009])
RAYS_UP = np.array([-0.009, -0.004, 0.001, 0.006, 0.011])
WIDEST = 0.078
CLEAR = 0.002
ENOUGH = 0.4  # share of a pad that touches, at least
LEVER = 0.014  # of the pads' middle about the target's centre, at most [m]
UPRIGHT = 0.85  # cosine between the closing direction and the faces that the pads touch, at least
TURN_COST = 2.0  # [1/rad]


@dataclass(frozen=True)
class Grasp:
    """A grasp: tool centre (3,) [m], direction of closing as an angle in the world [rad, modulo pi], width between the
    pads [m], its cost."""

    position: np.ndarray
    yaw: float
    width: float
    cost: float


def plan(
    target: Solid, others: list[Solid], yaw_now: float, avoid: list[Grasp], turn_cost: float = TURN_COST
) -> Grasp | None:
    """The best grasp of `target` among `others`, or None if the gripper fits nowhere.

    Args:
        yaw_now: present closing direction [rad]; less turning is better,
        turn_cost: by how much [1/rad].
        avoid: grasps that failed before.
    """
    best: Grasp | None = None
    for yaw in TURNS:
        for height in _heights(target):
            for grasp in _at(target, others, float(yaw), height, yaw_now, avoid, turn_cost):
                if best is None or grasp.cost < best.cost:
                    best = grasp
    return best


def _heights(target: Solid) -> list[float]:
    """Heights of the tool centre worth trying [m]."""
    lowest = max(LOWEST, target.top - PALM)
    wanted = {max(lowest, height) for height in (target.centre[2], target.centre[2] + 0.012, target.top - 0.012)}
    return sorted(round(height, 4) for height in wanted)


def would_hold(target: Solid, tool: np.ndarray, yaw: float) -> bool:
    """Whether closing from `tool` (3,) [m] along `yaw` [rad] takes hold of the target: pads well on it, not aslant."""
    closing, across = _directions(yaw)
    enter, leave, face_in, face_out = target.cross(tool + _rays(across, np.zeros(1))[0], closing)  # (A, U)
    hit = np.isfinite(enter)
    if not hit.any() or enter[hit].min() < CLEAR - OPENING or leave[hit].max() > OPENING - CLEAR:
        return False
    sides = _sides(target, closing, enter, leave, face_in, face_out)
    if min(upright for upright, _, _ in sides) < UPRIGHT or min(area for _, area, _ in sides) < ENOUGH:
        return False
    return _lever(target, sides, float((tool - target.centre) @ across), tool[2]) < LEVER


def _directions(yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3,) along and across the closing direction."""
    return np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([-np.sin(yaw), np.cos(yaw), 0.0])


def _rays(across: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Where rays begin, from a tool centre: by shift, across and up the pads (S, A, U, 3) [m]."""
    offsets = shifts[:, None, None] + RAYS_ACROSS[None, :, None]
    return np.asarray(offsets[..., None] * across + RAYS_UP[None, None, :, None] * np.array([0, 0, 1.0]))


def _sides(
    target: Solid, closing: np.ndarray, enter: np.ndarray, leave: np.ndarray, face_in: np.ndarray, face_out: np.ndarray
) -> list[tuple[float, float, np.ndarray]]:
    """Of both pads: how upright the faces that it touches are, share of it that touches, middle of that (2,) [m]."""
    hit = np.isfinite(enter)
    low, high = enter[hit].min(), leave[hit].max()
    sides = []
    for distance, faces, sign in ((enter, face_in, -1.0), (leave, face_out, 1.0)):
        touching = hit & (distance < low + 0.0015 if sign < 0 else distance > high - 0.0015)
        upright = (target.normals[faces[touching]] @ closing) * sign
        where = np.argwhere(touching)
        patch = np.array([RAYS_ACROSS[where[:, 0]].mean(), RAYS_UP[where[:, 1]].mean()])
        sides.append((float(upright.mean()), float(touching.mean()), patch))
    return sides


def _lever(target: Solid, sides: list[tuple[float, float, np.ndarray]], beside: float, height: float) -> float:
    """How far the target's centre is from where the pads touch [m], heights counting half.

    `beside` is the tool centre's distance from the target's centre across the closing direction, `height` its height.
    """
    held = (sides[0][2] + sides[1][2]) / 2
    return float(np.hypot(beside + held[0], 0.5 * (height + held[1] - target.centre[2])))


def _at(
    target: Solid,
    others: list[Solid],
    yaw: float,
    height: float,
    yaw_now: float,
    avoid: list[Grasp],
    turn_cost: float,
) -> list[Grasp]:
    """Grasps at one turn and height."""
    closing, across = _directions(yaw)
    origins = np.array([target.centre[0], target.centre[1], height])
    enter, leave, face_in, face_out = target.cross(origins + _rays(across, SHIFTS), closing)  # (S, A, U)
    grasps = []
    for index, shift in enumerate(SHIFTS):
        hit = np.isfinite(enter[index])
        if not hit.any():
            continue
        low, high = enter[index][hit].min(), leave[index][hit].max()
        if high - low > WIDEST:
            continue
        sides = _sides(target, closing, enter[index], leave[index], face_in[index], face_out[index])
        tilt = sum(1.0 - upright for upright, _, _ in sides)
        if min(upright for upright, _, _ in sides) < UPRIGHT:
            continue
        centre = origins + (low + high) / 2 * closing + shift * across
        if np.abs(centre[:2] - MIDDLE).max() > REACH:
            continue
        room = _room(centre, closing, across, (high - low) / 2, others)
        if room is None:
            continue
        small = sum(max(0.0, ENOUGH - area) for _, area, _ in sides)
        skew = np.abs(sides[0][2] - sides[1][2]).sum()
        lever = _lever(target, sides, shift, height)
        turn = abs((yaw - yaw_now + np.pi / 2) % np.pi - np.pi / 2)
        cost = 60 * tilt + 20 * small + 1000 * (0.5 * skew + lever) + turn_cost * turn + room
        for failed in avoid:
            near = np.hypot(np.linalg.norm(failed.position - centre) / 0.01, _angle(failed.yaw, yaw) / 0.25)
            cost += 30 * np.exp(-near)
        grasps.append(Grasp(centre, yaw, float(high - low), float(cost)))
    return grasps


def _angle(a: float, b: float) -> float:
    return float(abs((a - b + np.pi / 2) % np.pi - np.pi / 2))


def _room(
    centre: np.ndarray, closing: np.ndarray, across: np.ndarray, half: float, others: list[Solid]
) -> float | None:
    """Cost of what stands in the fingers' way, None if an open finger would come down on it."""
    tip = centre[2] + TIP_OPEN
    for side in (-1.0, 1.0):
        for edge in (-FINGER_HALF_WIDTH, FINGER_HALF_WIDTH):
            corner = centre[:2] + side * FINGER_OUTER * closing[:2] + edge * across[:2]
            out = np.abs(corner - MIDDLE).max() - WALL_FOOT
            if tip < FLOOR + WALL_SLOPE * max(0.0, out) + 0.001:
                return None
    cost = 0.0
    for other in others:
        relative = other.surface - centre
        along, side_way, up = np.abs(relative @ closing), np.abs(relative @ across), relative[:, 2]
        beside = side_way < FINGER_HALF_WIDTH + CLEAR
        finger = (along > OPENING - CLEAR) & (along < FINGER_OUTER + CLEAR) & beside & (up > TIP_OPEN - CLEAR)
        hand = (along < HAND_HALF[0]) & (side_way < HAND_HALF[1]) & (up > HAND)
        if (finger | hand).any():
            return None
        swept = (along > half) & (along <= FINGER_OUTER) & beside & (up > TIP_CLOSED)
        cost += 15.0 if swept.any() else 0.0
        near = np.maximum(along - FINGER_OUTER, side_way - FINGER_HALF_WIDTH)[up > TIP_OPEN]
        if len(near):
            cost += 400 * max(0.0, 0.012 - max(0.0, float(near.min())))
    return cost

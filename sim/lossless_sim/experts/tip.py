"""How to tip a convex object over: onto which face, and from where the closed fingers push it there."""

from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.grasp import FLOOR, LOWEST, MIDDLE, REACH, TIP_CLOSED, WALL_FOOT, WALL_SLOPE
from lossless_sim.experts.solid import Solid

HALF_ALONG, HALF_ACROSS = 0.0205, 0.0125  # of the closed fingers, along and across the closing direction [m]
GAP = 0.008  # between the fingers and the object where they come down [m]
LEVEL = 0.985  # cosine of the most that a top may slope and still carry something
FLOOR_FRICTION = 0.8  # counted on; the object slides where it is pushed lower than this over its lever
FINGER_FRICTION = 0.4
HEIGHTS = (1.4, 0.9)  # of the finger tips over the floor, in levers; high is better
LOWEST_PUSH, BELOW_TOP = 0.02, 0.014  # of the finger tips over the floor, and under the object's top [m]
PRESS = 0.25  # share of the speed that presses against the object
PAST_EDGE = 0.025  # [m]
STABLE = 0.003  # how far inside its new face the centre of mass has to come down [m]
PAST = 0.1  # past the balance, from where it falls by itself [rad]


@dataclass(frozen=True)
class Push:
    """A push that tips an object over.

    Attributes:
        start: tool centre (3,) behind the object [m].
        touch: from the tool centre to where the fingers touch, along the push and up (2,) [m].
        direction: of the push in the plane (2,).
        yaw: closing direction [rad, modulo pi].
        turned: angle from which the object falls by itself [rad].
        cost: in millimetres or so.
    """

    start: np.ndarray
    touch: np.ndarray
    direction: np.ndarray
    yaw: float
    turned: float
    cost: float

    def way(self, tool: np.ndarray, target: Solid) -> np.ndarray | None:
        """Direction (3,) to go on in, None once the fingers are past the edge that the object should tip over.

        Up to the object, then along the circle about that edge, pressing a little: the fingers rise with the
        surface that they push, so that their friction helps to turn the object.
        """
        low = target.vertices[target.vertices[:, 2] < target.bottom + 0.003, :2]
        ahead = float(tool[:2] @ self.direction + self.touch[0] - (low @ self.direction).max())
        if ahead > PAST_EDGE:
            return None
        if float((tool - self.start)[:2] @ self.direction) < GAP:
            return np.append(self.direction, 0.0)
        height = tool[2] + self.touch[1] - target.bottom
        radius = np.hypot(ahead, height)
        return np.append((height / radius + PRESS) * self.direction, max(0.0, -ahead) / radius)


def plan_push(
    target: Solid, others: list[Solid], tool: np.ndarray, yaw_now: float, avoid: list[Push], level: bool = True
) -> Push | None:
    """The easiest push that lays `target` on another face, or None if there is none.

    Args:
        target: at rest on one of its faces.
        tool: present tool centre (3,) [m]; a short way is better.
        yaw_now: present closing direction [rad]; so is less turning.
        avoid: pushes that failed before.
        level: the new top has to be level.
    """
    bottom = int(target.normals[:, 2].argmin())
    if target.normals[bottom, 2] > -LEVEL:
        return None
    pushes = []
    for face in range(len(target.normals)):
        edge = target.vertices[_on(target, bottom) & _on(target, face)]
        if face == bottom or len(edge) < 2 or not _rests(target, face, level):
            continue
        for across in (False, True):
            push = _over(target, edge, across, others, tool, yaw_now)
            if push is not None and not any(_alike(push, failed) for failed in avoid):
                pushes.append(push)
    return min(pushes, key=lambda push: push.cost, default=None)


def is_level(solid: Solid) -> bool:
    """Something can be put on it: its top is level."""
    return bool(solid.normals[:, 2].max() > LEVEL)


def can_be_level(solid: Solid) -> bool:
    """It has a face to lie on that brings a level top."""
    return any(_rests(solid, face, level=True) for face in range(len(solid.normals)))


def _on(target: Solid, face: int) -> np.ndarray:
    """Mask over the vertices of a face."""
    return np.abs(target.vertices @ target.normals[face] - target.offsets[face]) < 1e-4


def _rests(target: Solid, face: int, level: bool) -> bool:
    """The object stays on this face once it lies on it, and, if wanted, its top is then level."""
    normal = target.normals[face]
    foot = target.centre + (target.offsets[face] - target.centre @ normal) * normal
    inside = np.delete(target.offsets - target.normals @ foot, face).min() > STABLE
    return bool(inside and (not level or -(target.normals @ normal).min() > LEVEL))


def _over(
    target: Solid, edge: np.ndarray, across: bool, others: list[Solid], tool: np.ndarray, yaw_now: float
) -> Push | None:
    """The push over an edge (2, 3) of the bottom face; the fingers push side by side if `across`."""
    along_edge = edge[-1, :2] - edge[0, :2]
    direction = np.array([along_edge[1], -along_edge[0]]) / np.linalg.norm(along_edge)
    if (edge[0, :2] - target.centre[:2]) @ direction < 0:
        direction = -direction
    lever = float((edge[0, :2] - target.centre[:2]) @ direction)
    height = float(target.centre[2] - target.bottom)
    for high in HEIGHTS:
        tip = min(target.top - BELOW_TOP, target.bottom + max(LOWEST_PUSH, high * lever))
        contact = _contact(target, direction, tip)
        if contact is not None:
            break
    else:
        return None
    if contact[1] - target.bottom + FINGER_FRICTION * (lever - contact[0]) < lever / FLOOR_FRICTION:
        return None
    half, side = (HALF_ACROSS, HALF_ALONG) if across else (HALF_ALONG, HALF_ACROSS)
    place = target.centre[:2] + direction * (contact[0] - half - GAP)
    start = np.append(place, max(LOWEST, tip - TIP_CLOSED))
    end = place + direction * (GAP + lever - contact[0])
    if max(np.abs(place - MIDDLE).max(), np.abs(end - MIDDLE).max()) > REACH:
        return None
    if not _free(start, direction, half, side, others):
        return None
    yaw = float(np.arctan2(direction[1], direction[0])) + (np.pi / 2 if across else 0.0)
    turn = abs((yaw - yaw_now + np.pi / 2) % np.pi - np.pi / 2)
    reached = target.centre[:2] + direction * (lever + 2 * height) - MIDDLE
    crowd = sum(max(0.0, 0.05 - _apart(target, other, direction, lever)) for other in others)
    cost = 1000 * (lever + 0.2 * np.linalg.norm(place - tool[:2]) + 2 * crowd) + 8.0 * turn
    cost += 1000 * max(0.0, float(np.abs(reached).max()) - WALL_FOOT)
    touch = np.array([half, contact[1] - start[2]])
    turned = float(np.arctan2(lever, height)) + PAST
    return Push(start, touch, direction, yaw, turned, float(cost))


def _contact(target: Solid, direction: np.ndarray, tip: float) -> tuple[float, float] | None:
    """Where fingers with their tips at height `tip` first touch: along the push from the centre, and height [m]."""
    push = np.append(direction, 0.0)
    sideways = np.array([-direction[1], direction[0], 0.0])
    heights = np.arange(tip, target.top, 0.003)
    rays = np.append(target.centre[:2], 0.0) + np.array([0.0, -0.008, 0.008])[:, None, None] * sideways
    rays = rays + heights[None, :, None] * np.array([0.0, 0.0, 1.0])
    enter, _, faces, _ = target.cross(rays, push)
    if not len(heights) or not np.isfinite(enter[0]).any():
        return None
    first = np.unravel_index(enter.argmin(), enter.shape)
    if target.normals[faces[first]] @ push > -0.7:  # so oblique that the fingers would slide off
        return None
    return float(enter[first]), float(heights[first[1]])


def _free(start: np.ndarray, direction: np.ndarray, half: float, side: float, others: list[Solid]) -> bool:
    """Neither a wall nor another object is where the fingers come down."""
    tip = start[2] + TIP_CLOSED
    sideways = np.array([-direction[1], direction[0]])
    corners = start[:2] + np.array([(a, b) for a in (-half, half) for b in (-side, side)]) @ [direction, sideways]
    out = np.abs(corners - MIDDLE).max() - WALL_FOOT
    if tip < FLOOR + WALL_SLOPE * max(0.0, out) + 0.001:
        return False
    for other in others:
        relative = other.surface - start
        along, aside = np.abs(relative[:, :2] @ direction), np.abs(relative[:, :2] @ sideways)
        if ((along < half + 0.003) & (aside < side + 0.003) & (relative[:, 2] > TIP_CLOSED - 0.003)).any():
            return False
    return True


def _apart(target: Solid, other: Solid, direction: np.ndarray, lever: float) -> float:
    """How far another object is from where the target comes to lie [m]."""
    there = target.centre[:2] + 2 * lever * direction
    return float(np.linalg.norm(other.surface[:, :2] - there, axis=1).min())


def _alike(push: Push, failed: Push) -> bool:
    return bool(push.direction @ failed.direction > 0.9 and np.linalg.norm(push.start - failed.start) < 0.02)

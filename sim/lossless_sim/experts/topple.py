"""Topple planning: onto which face to turn a convex object, and where the closed fingers push it over."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron
from lossless_sim.experts.grasp import yaw_distance
from lossless_sim.experts.gripper import (
    CLOSED_HALF_LENGTH,
    CLOSED_HALF_WIDTH,
    FINGERTIP_CLOSED,
    MAX_TCP_OFFSET,
    MIN_TCP_HEIGHT,
)
from lossless_sim.experts.push import GAP, Push
from lossless_sim.scene.basket import CENTER, WALL_FOOT, hits_basket

LEVEL = 0.985  # cosine of the steepest top that can carry an object
FLOOR_FRICTION = 0.8  # assumed; an object pushed below (moment arm / friction) slides instead of toppling
FINGER_FRICTION = 0.4
PUSH_HEIGHTS = (1.4, 0.9)  # of the fingertips above the floor, in moment arms; higher is better
MIN_PUSH_HEIGHT = 0.02  # of the fingertips above the floor [m]
BELOW_TOP = 0.014  # of the fingertips under the object's top [m]
STABLE_MARGIN = 0.003  # of the center of mass inside the new bottom face [m]
PAST_BALANCE = 0.1  # beyond the balance point, where the object falls by itself [rad]


def plan_push(
    target: ConvexPolyhedron,
    others: list[ConvexPolyhedron],
    tcp: np.ndarray,
    yaw_now: float,
    avoid: list[Push],
    level: bool = True,
) -> Push | None:
    """Return the easiest push that turns `target` onto another face, or None if there is none.

    Args:
        target: object at rest on one of its faces.
        others: obstacles.
        tcp: current TCP (3,) [m]; short motions are cheaper.
        yaw_now: current closing direction [rad]; small turns are cheaper.
        avoid: pushes that failed before.
        level: require a level top on the new face.
    """
    search = _PushSearch(target, others, tcp, yaw_now)
    pushes = [push for push in search.candidates(level) if not any(push.resembles(failed) for failed in avoid)]
    return min(pushes, key=lambda push: push.cost, default=None)


def is_level(polyhedron: ConvexPolyhedron) -> bool:
    """Return whether its top is level, so that an object can be placed on it."""
    return bool(polyhedron.normals[:, 2].max() > LEVEL)


def can_be_level(polyhedron: ConvexPolyhedron) -> bool:
    """Return whether it can rest on a face with a level top."""
    return any(_can_rest_on(polyhedron, face, level=True) for face in range(len(polyhedron.normals)))


def _face_vertices(target: ConvexPolyhedron, face: int) -> np.ndarray:
    """Return the mask (V,) of the vertices of a face."""
    return np.abs(target.vertices @ target.normals[face] - target.offsets[face]) < 1e-4


def _can_rest_on(target: ConvexPolyhedron, face: int, level: bool) -> bool:
    """Return whether the object is stable on a face, and, if required, has a level top then."""
    normal = target.normals[face]
    foot = target.center + (target.offsets[face] - target.center @ normal) * normal
    inside = np.delete(target.offsets - target.normals @ foot, face).min() > STABLE_MARGIN
    return bool(inside and (not level or -(target.normals @ normal).min() > LEVEL))


@dataclass(frozen=True)
class _PushSearch:
    """Arguments of `plan_push`, and the candidates that they admit."""

    target: ConvexPolyhedron
    others: list[ConvexPolyhedron]
    tcp: np.ndarray
    yaw_now: float

    def candidates(self, level: bool) -> Iterator[Push]:
        """Yield the feasible pushes over each edge of the bottom face."""
        target = self.target
        bottom = int(target.normals[:, 2].argmin())
        if target.normals[bottom, 2] > -LEVEL:
            return
        for face in range(len(target.normals)):
            edge = target.vertices[_face_vertices(target, bottom) & _face_vertices(target, face)]
            if face == bottom or len(edge) < 2 or not _can_rest_on(target, face, level):
                continue
            for side_by_side in (False, True):
                push = self._over_edge(edge, side_by_side)
                if push is not None:
                    yield push

    def _over_edge(self, edge: np.ndarray, side_by_side: bool) -> Push | None:
        """Return the push over an edge (2, 3) of the bottom face, with the fingers one behind the other or not."""
        target = self.target
        along_edge = edge[-1, :2] - edge[0, :2]
        direction = np.array([along_edge[1], -along_edge[0]]) / np.linalg.norm(along_edge)
        if (edge[0, :2] - target.center[:2]) @ direction < 0:
            direction = -direction
        arm = float((edge[0, :2] - target.center[:2]) @ direction)
        fingertip_height, contact = self._highest_contact(direction, arm)
        if contact is None:
            return None
        if contact[1] - target.bottom + FINGER_FRICTION * (arm - contact[0]) < arm / FLOOR_FRICTION:
            return None
        half, side = CLOSED_HALF_LENGTH, CLOSED_HALF_WIDTH
        if side_by_side:
            half, side = side, half
        place = target.center[:2] + direction * (contact[0] - half - GAP)
        start = np.append(place, max(MIN_TCP_HEIGHT, fingertip_height - FINGERTIP_CLOSED))
        end = place + direction * (GAP + arm - contact[0])
        if max(np.abs(place - CENTER).max(), np.abs(end - CENTER).max()) > MAX_TCP_OFFSET:
            return None
        if not self._fingers_fit(start, direction, half, side):
            return None
        yaw = float(np.arctan2(direction[1], direction[0])) + (np.pi / 2 if side_by_side else 0.0)
        height = float(target.center[2] - target.bottom)
        return Push(
            start=start,
            touch=np.array([half, contact[1] - start[2]]),
            direction=direction,
            yaw=yaw,
            fall_angle=float(np.arctan2(arm, height)) + PAST_BALANCE,
            cost=self._cost(place, direction, yaw, arm),
        )

    def _cost(self, place: np.ndarray, direction: np.ndarray, yaw: float, arm: float) -> float:
        """Return the cost of a push from `place` (2,) with a moment arm [m], roughly in millimeters."""
        target = self.target
        landing = target.center[:2] + 2 * arm * direction
        crowding = 0.0
        for other in self.others:
            distance = float(np.linalg.norm(other.surface[:, :2] - landing, axis=1).min())
            crowding += max(0.0, 0.05 - distance)
        height = float(target.center[2] - target.bottom)
        reached = target.center[:2] + direction * (arm + 2 * height) - CENTER
        cost = 1000 * (arm + 0.2 * np.linalg.norm(place - self.tcp[:2]) + 2 * crowding)
        cost += 8.0 * yaw_distance(yaw, self.yaw_now)
        return float(cost + 1000 * max(0.0, float(np.abs(reached).max()) - WALL_FOOT))

    def _highest_contact(self, direction: np.ndarray, arm: float) -> tuple[float, tuple[float, float] | None]:
        """Return the highest fingertip height that finds a contact, and that contact (None if there is none)."""
        fingertip_height = np.nan
        for height in PUSH_HEIGHTS:
            pushed = self.target.bottom + max(MIN_PUSH_HEIGHT, height * arm)
            fingertip_height = min(self.target.top - BELOW_TOP, pushed)
            contact = self._contact(direction, fingertip_height)
            if contact is not None:
                return fingertip_height, contact
        return fingertip_height, None

    def _contact(self, direction: np.ndarray, fingertip_height: float) -> tuple[float, float] | None:
        """Return where the fingers first touch: distance from the center along the push, and height [m]."""
        target = self.target
        push = np.append(direction, 0.0)
        sideways = np.array([-direction[1], direction[0], 0.0])
        heights = np.arange(fingertip_height, target.top, 0.003)
        rays = np.append(target.center[:2], 0.0) + np.array([0.0, -0.008, 0.008])[:, None, None] * sideways
        rays = rays + heights[None, :, None] * np.array([0.0, 0.0, 1.0])
        hits = target.intersect_rays(rays, push)
        if not len(heights) or not hits.hit[0].any():
            return None
        first = np.unravel_index(hits.entry.argmin(), hits.entry.shape)
        if target.normals[hits.entry_face[first]] @ push > -0.7:  # so oblique that the fingers would slide off
            return None
        return float(hits.entry[first]), float(heights[first[1]])

    def _fingers_fit(self, start: np.ndarray, direction: np.ndarray, half: float, side: float) -> bool:
        """Return whether neither the basket nor another object is where the fingers come down."""
        sideways = np.array([-direction[1], direction[0]])
        offsets = np.array([(a, b) for a in (-half, half) for b in (-side, side)])
        if hits_basket(start[:2] + offsets @ [direction, sideways], start[2] + FINGERTIP_CLOSED):
            return False
        for other in self.others:
            relative = other.surface - start
            along, aside = np.abs(relative[:, :2] @ direction), np.abs(relative[:, :2] @ sideways)
            inside = (along < half + 0.003) & (aside < side + 0.003) & (relative[:, 2] > FINGERTIP_CLOSED - 0.003)
            if inside.any():
                return False
        return True

"""Grasp planning: top-down grasps of a convex object with a parallel gripper.

Many candidates (yaw, shift along the pads, height) are evaluated at once. Rays along the closing direction, spread over
the pads, find where the pads touch and on which faces; the surroundings decide whether the fingers fit. The candidate
with the lowest cost wins; costs are roughly in millimeters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron
from lossless_sim.experts.gripper import (
    FINGER_HALF_WIDTH,
    FINGER_OUTER,
    FINGERTIP_CLOSED,
    FINGERTIP_OPEN,
    HAND,
    HAND_HALF_SIZE,
    MAX_TCP_OFFSET,
    MIN_TCP_HEIGHT,
    OPENING,
    PALM,
)
from lossless_sim.experts.pad_contact import closing_axes, moment_arm, pad_contacts, pad_rays
from lossless_sim.scene.basket import CENTER, FLOOR, hits_basket

__all__ = ["FLOOR", "OPENING", "TURN_COST", "YAWS", "Grasp", "clearance_cost", "plan", "yaw_distance"]

YAWS = np.arange(36) * np.pi / 36  # closing directions to try [rad]
SHIFTS = np.array([-0.016, -0.008, 0.0, 0.008, 0.016])  # of the TCP across the closing direction [m]
MAX_WIDTH = 0.078  # of the object between the pads [m]
MARGIN = 0.002  # around the fingers [m]
MIN_COVERAGE = 0.4  # share of a pad that touches
MIN_ALIGNMENT = 0.85  # cosine between the closing direction and the touched faces
MAX_MOMENT_ARM = 0.014  # between the object's center and the pad contacts [m]
TURN_COST = 2.0  # [1/rad]


@dataclass(frozen=True)
class Grasp:
    """A grasp.

    Attributes:
        position: TCP (3,) [m].
        yaw: closing direction in the world [rad], modulo pi.
        width: distance between the pads [m].
        cost: lower is better.
    """

    position: np.ndarray
    yaw: float
    width: float
    cost: float


def plan(
    target: ConvexPolyhedron,
    others: list[ConvexPolyhedron],
    yaw_now: float,
    avoid: list[Grasp],
) -> Grasp | None:
    """Return the best grasp of `target` among `others`, or None if the gripper fits nowhere.

    Args:
        target: object to grasp.
        others: obstacles.
        yaw_now: current closing direction [rad].
        avoid: grasps that failed before.
    """
    search = _GraspSearch(target, others, yaw_now, avoid)
    return min(search.candidates(), key=lambda grasp: grasp.cost, default=None)


def yaw_distance(a: float, b: float) -> float:
    """Return the angle between two closing directions [rad], at most pi / 2."""
    return float(abs((a - b + np.pi / 2) % np.pi - np.pi / 2))


@dataclass(frozen=True)
class _GraspSearch:
    """Arguments of `plan`, and the candidates that they admit."""

    target: ConvexPolyhedron
    others: list[ConvexPolyhedron]
    yaw_now: float
    avoid: list[Grasp]

    def candidates(self) -> Iterator[Grasp]:
        """Yield all feasible grasps."""
        for yaw in YAWS:
            for height in self._heights():
                yield from self._at(float(yaw), height)

    def _heights(self) -> list[float]:
        """Return the heights of the TCP to try [m]."""
        target = self.target
        lowest = max(MIN_TCP_HEIGHT, target.top - PALM)
        wanted = {max(lowest, height) for height in (target.center[2], target.center[2] + 0.012, target.top - 0.012)}
        return sorted(round(height, 4) for height in wanted)

    def _at(self, yaw: float, height: float) -> Iterator[Grasp]:
        """Yield the feasible grasps of one closing direction and height."""
        target = self.target
        closing, across = closing_axes(yaw)
        middle = np.array([target.center[0], target.center[1], height])
        all_hits = target.intersect_rays(middle + pad_rays(across, SHIFTS), closing)  # (S, A, U)
        for index, shift in enumerate(SHIFTS):
            hits = all_hits[index]
            hit = hits.hit
            if not hit.any():
                continue
            low, high = hits.entry[hit].min(), hits.exit[hit].max()
            if high - low > MAX_WIDTH:
                continue
            contacts = pad_contacts(target, closing, hits)
            if min(pad.alignment for pad in contacts) < MIN_ALIGNMENT:
                continue
            position = middle + (low + high) / 2 * closing + shift * across
            if np.abs(position[:2] - CENTER).max() > MAX_TCP_OFFSET:
                continue
            clearance = clearance_cost(position, yaw, (high - low) / 2, self.others)
            if clearance is None:
                continue
            tilt = sum(1.0 - pad.alignment for pad in contacts)
            uncovered = sum(max(0.0, MIN_COVERAGE - pad.coverage) for pad in contacts)
            skew = np.abs(contacts[0].center - contacts[1].center).sum()
            arm = moment_arm(target, contacts, shift, height)
            cost = 60 * tilt + 20 * uncovered + 1000 * (0.5 * skew + arm)
            cost = cost + TURN_COST * yaw_distance(yaw, self.yaw_now) + clearance
            for failed in self.avoid:
                shifted = np.linalg.norm(failed.position - position) / 0.01
                cost += 30 * np.exp(-np.hypot(shifted, yaw_distance(failed.yaw, yaw) / 0.25))
            yield Grasp(position, yaw, float(high - low), float(cost))


def clearance_cost(tcp: np.ndarray, yaw: float, half_width: float, others: list[ConvexPolyhedron]) -> float | None:
    """Return the cost of obstacles near the fingers, or None if the open gripper would collide.

    Args:
        tcp: grasp position (3,) [m].
        yaw: closing direction [rad].
        half_width: half the width of the object between the pads [m].
        others: obstacles.
    """
    closing, across = closing_axes(yaw)
    corners = np.array(
        [
            tcp[:2] + side * FINGER_OUTER * closing[:2] + edge * across[:2]
            for side in (-1.0, 1.0)
            for edge in (-FINGER_HALF_WIDTH, FINGER_HALF_WIDTH)
        ]
    )
    if hits_basket(corners, tcp[2] + FINGERTIP_OPEN):
        return None
    cost = 0.0
    for other in others:
        relative = other.surface - tcp
        along, sideways, up = np.abs(relative @ closing), np.abs(relative @ across), relative[:, 2]
        in_lane = sideways < FINGER_HALF_WIDTH + MARGIN
        in_finger = (along > OPENING - MARGIN) & (along < FINGER_OUTER + MARGIN) & in_lane
        in_finger &= up > FINGERTIP_OPEN - MARGIN
        in_hand = (along < HAND_HALF_SIZE[0]) & (sideways < HAND_HALF_SIZE[1]) & (up > HAND)
        if (in_finger | in_hand).any():
            return None
        swept = (along > half_width) & (along <= FINGER_OUTER) & in_lane & (up > FINGERTIP_CLOSED)
        cost += 15.0 if swept.any() else 0.0
        distance = np.maximum(along - FINGER_OUTER, sideways - FINGER_HALF_WIDTH)[up > FINGERTIP_OPEN]
        if len(distance):
            cost += 400 * max(0.0, 0.012 - max(0.0, float(distance.min())))
    return cost

"""Pushes that topple an object."""

from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron

GAP = 0.008  # between the fingers and the object where they come down [m]
PRESS = 0.25  # share of the speed that presses against the object
PAST_EDGE = 0.025  # distance beyond the tipping edge at which the push has failed [m]


@dataclass(frozen=True)
class Push:
    """A push that topples an object.

    Attributes:
        start: TCP (3,) behind the object [m].
        touch: offset of the first contact from the TCP, along the push and up (2,) [m].
        direction: unit direction of the push in the plane (2,).
        yaw: closing direction [rad], modulo pi.
        fall_angle: rotation beyond which the object falls by itself [rad].
        cost: lower is better.
    """

    start: np.ndarray
    touch: np.ndarray
    direction: np.ndarray
    yaw: float
    fall_angle: float
    cost: float

    def motion(self, tcp: np.ndarray, target: ConvexPolyhedron) -> np.ndarray | None:
        """Return the direction (3,) to move in, or None once the fingers are past the tipping edge.

        First up to the object, then along the circle about the edge, with a slight pressure: the fingers rise with
        the surface that they push, so that friction helps to turn the object.
        """
        bottom_vertices = target.vertices[target.vertices[:, 2] < target.bottom + 0.003, :2]
        ahead = float(tcp[:2] @ self.direction + self.touch[0] - (bottom_vertices @ self.direction).max())
        if ahead > PAST_EDGE:
            return None
        if float((tcp - self.start)[:2] @ self.direction) < GAP:
            return np.append(self.direction, 0.0)
        height = tcp[2] + self.touch[1] - target.bottom
        radius = np.hypot(ahead, height)
        return np.append((height / radius + PRESS) * self.direction, max(0.0, -ahead) / radius)

    def resembles(self, other: "Push") -> bool:
        """Return whether another push is nearly the same."""
        return bool(self.direction @ other.direction > 0.9 and np.linalg.norm(self.start - other.start) < 0.02)

"""Convex solids: the RGB objects as the grasp planner sees them."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene.objects import object_mesh

_SAME_PLANE = 1e-4
_SAMPLES_PER_EDGE = 4


@dataclass(frozen=True)
class Solid:
    """A convex polyhedron in some frame.

    Attributes:
        vertices: (V, 3) [m].
        normals: outward unit normals of the faces (F, 3).
        offsets: (F,) [m]; a point x is inside where normals @ x <= offsets.
        centre: centre of mass (3,) [m].
        surface: points along the edges and on the faces (S, 3) [m], to test for collisions.
    """

    vertices: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray
    centre: np.ndarray
    surface: np.ndarray

    def placed(self, pose: np.ndarray) -> "Solid":
        """The solid at a pose (7,) x, y, z, qx, qy, qz, qw."""
        rotation = quaternion_to_matrix(pose[[6, 3, 4, 5]])
        position = pose[:3]
        normals = self.normals @ rotation.T
        return Solid(
            vertices=self.vertices @ rotation.T + position,
            normals=normals,
            offsets=self.offsets + normals @ position,
            centre=rotation @ self.centre + position,
            surface=self.surface @ rotation.T + position,
        )

    @property
    def top(self) -> float:
        """Height of the highest vertex [m]."""
        return float(self.vertices[:, 2].max())

    @property
    def bottom(self) -> float:
        """Height of the lowest vertex [m]."""
        return float(self.vertices[:, 2].min())

    def top_centre(self) -> np.ndarray:
        """Middle (2,) of the face that looks up most: where something can be put down [m]."""
        face = self.normals[:, 2].argmax()
        corners = self.vertices[self.vertices @ self.normals[face] > self.offsets[face] - 1e-4, :2]
        return (corners.max(axis=0) + corners.min(axis=0)) / 2

    def lies_flat(self) -> bool:
        """It rests on a face, not on an edge against a wall or another object."""
        return bool(self.normals[:, 2].min() < -0.99)

    def cross(self, origins: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, ...]:
        """Where lines enter and leave the solid.

        Args:
            origins: (..., 3) points on the lines [m].
            direction: (..., 3) or (3,) their unit direction.

        Returns:
            Distances of entry and exit (...), +inf and -inf for a miss, and the faces (...) entered and left.
        """
        slope = direction @ self.normals.T  # (..., F)
        height = self.offsets - origins @ self.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = height / slope
        entries = np.where(slope < -1e-9, reach, -np.inf)
        exits = np.where(slope > 1e-9, reach, np.inf)
        outside = ((np.abs(slope) <= 1e-9) & (height < 0)).any(-1)
        enter, leave = entries.max(-1), exits.min(-1)
        missed = outside | (enter > leave)
        return (
            np.where(missed, np.inf, enter),
            np.where(missed, -np.inf, leave),
            entries.argmax(-1),
            exits.argmin(-1),
        )


@cache
def solid(name: str) -> Solid:
    """An RGB object in the frame of its pose."""
    vertices, faces = object_mesh(name)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = np.einsum("ij,ij->i", normals, corners[:, 0])
    planes = np.column_stack([normals, offsets])
    _, first = np.unique(np.round(planes / _SAME_PLANE), axis=0, return_index=True)
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    centre = (corners.sum(axis=1) / 4 * volumes[:, None]).sum(axis=0) / volumes.sum()
    return Solid(vertices, normals[first], offsets[first], centre, _sample(corners))


def _sample(corners: np.ndarray) -> np.ndarray:
    """Points on triangles (F, 3, 3), corners and edges included."""
    steps = np.arange(_SAMPLES_PER_EDGE + 1) / _SAMPLES_PER_EDGE
    weights = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    points = np.einsum("wk,fkd->fwd", weights, corners).reshape(-1, 3)
    return np.unique(np.round(points, 6), axis=0)

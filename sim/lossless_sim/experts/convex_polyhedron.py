"""Convex polyhedra: the RGB objects as the grasp planner represents them."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene.objects import object_mesh

_SAME_PLANE = 1e-4  # rounding below which two triangles belong to one face
_SAMPLES_PER_EDGE = 4


@dataclass(frozen=True)
class RayHits:
    """Intersections of lines with a polyhedron; all arrays have the shape of the lines (...).

    Attributes:
        entry: distance along the line where it enters [m], +inf for a miss.
        exit: distance where it leaves [m], -inf for a miss.
        entry_face: index of the face where it enters.
        exit_face: index of the face where it leaves.
    """

    entry: np.ndarray
    exit: np.ndarray
    entry_face: np.ndarray
    exit_face: np.ndarray

    def __getitem__(self, index: int) -> "RayHits":
        """Return the hits of one index along the first axis."""
        return RayHits(self.entry[index], self.exit[index], self.entry_face[index], self.exit_face[index])

    @property
    def hit(self) -> np.ndarray:
        """Mask (...) of the lines that meet the polyhedron."""
        return np.isfinite(self.entry)


@dataclass(frozen=True)
class ConvexPolyhedron:
    """A convex polyhedron in some frame.

    Attributes:
        vertices: (V, 3) [m].
        normals: outward unit normals of the faces (F, 3).
        offsets: (F,) [m]; a point x is inside where normals @ x <= offsets.
        center: center of mass (3,) [m].
        surface: points on the faces, edges included (S, 3) [m], for collision checks.
    """

    vertices: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray
    center: np.ndarray
    surface: np.ndarray

    def transformed(self, pose: np.ndarray) -> "ConvexPolyhedron":
        """Return the polyhedron at a pose (7,) x, y, z [m], qx, qy, qz, qw."""
        rotation = quaternion_to_matrix(pose[[6, 3, 4, 5]])
        position = pose[:3]
        normals = self.normals @ rotation.T
        return ConvexPolyhedron(
            vertices=self.vertices @ rotation.T + position,
            normals=normals,
            offsets=self.offsets + normals @ position,
            center=rotation @ self.center + position,
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

    def top_center(self) -> np.ndarray:
        """Return the middle (2,) [m] of the uppermost face, on which something can be placed."""
        face = self.normals[:, 2].argmax()
        corners = self.vertices[self.vertices @ self.normals[face] > self.offsets[face] - 1e-4, :2]
        return (corners.max(axis=0) + corners.min(axis=0)) / 2

    def lies_flat(self) -> bool:
        """Return whether it rests on a face rather than on an edge."""
        return bool(self.normals[:, 2].min() < -0.99)

    def half_width(self, yaw: float) -> float:
        """Return how far it extends from its center along a horizontal direction at `yaw` [rad], in [m]."""
        return float(np.abs((self.vertices - self.center)[:, :2] @ [np.cos(yaw), np.sin(yaw)]).max())

    def faces_along(self, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the normals (3,) of the two faces that a horizontal line through the center at `yaw` [rad] crosses."""
        hits = self.intersect_rays(self.center, np.array([np.cos(yaw), np.sin(yaw), 0.0]))
        return self.normals[hits.entry_face], self.normals[hits.exit_face]

    def intersect_rays(self, origins: np.ndarray, direction: np.ndarray) -> RayHits:
        """Intersect lines with the polyhedron.

        Args:
            origins: points on the lines (..., 3) [m].
            direction: unit direction of all lines (3,).

        Returns:
            Hits of shape (...).
        """
        slope = direction @ self.normals.T  # (F,)
        height = self.offsets - origins @ self.normals.T  # (..., F)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = height / slope
        entries = np.where(slope < -1e-9, reach, -np.inf)
        exits = np.where(slope > 1e-9, reach, np.inf)
        outside = ((np.abs(slope) <= 1e-9) & (height < 0)).any(-1)
        entry, exit_ = entries.max(-1), exits.min(-1)
        missed = outside | (entry > exit_)
        return RayHits(
            entry=np.where(missed, np.inf, entry),
            exit=np.where(missed, -np.inf, exit_),
            entry_face=entries.argmax(-1),
            exit_face=exits.argmin(-1),
        )


@cache
def object_polyhedron(name: str) -> ConvexPolyhedron:
    """Load an RGB object in the frame of its pose."""
    vertices, faces = object_mesh(name)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = np.einsum("ij,ij->i", normals, corners[:, 0])
    planes = np.column_stack([normals, offsets])
    _, first = np.unique(np.round(planes / _SAME_PLANE), axis=0, return_index=True)
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    center = (corners.sum(axis=1) / 4 * volumes[:, None]).sum(axis=0) / volumes.sum()
    return ConvexPolyhedron(vertices, normals[first], offsets[first], center, _sample_surface(corners))


def _sample_surface(corners: np.ndarray) -> np.ndarray:
    """Return points (S, 3) on triangles (F, 3, 3), corners and edges included."""
    steps = np.arange(_SAMPLES_PER_EDGE + 1) / _SAMPLES_PER_EDGE
    weights = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    points = np.einsum("wk,fkd->fwd", weights, corners).reshape(-1, 3)
    return np.unique(np.round(points, 6), axis=0)

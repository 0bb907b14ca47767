"""Contact of the finger pads with an object: where they touch it when the gripper closes, and how well."""

from dataclasses import dataclass

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron, RayHits

RAYS_ACROSS = np.array([-0.009, -0.0045, 0.0, 0.0045, 0.009])  # over a pad, across the closing direction [m]
RAYS_UP = np.array([-0.009, -0.004, 0.001, 0.006, 0.011])  # and upwards
_PAD_COMPLIANCE = 0.0015  # depth within which a pad touches [m]


@dataclass(frozen=True)
class PadContact:
    """Contact of one pad.

    Attributes:
        alignment: mean cosine between the closing direction and the faces that the pad touches.
        coverage: share of the pad that touches.
        center: middle of the contact on the pad (2,), across the closing direction and up from the TCP [m].
    """

    alignment: float
    coverage: float
    center: np.ndarray


def closing_axes(yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the horizontal unit vectors (3,) along and across the closing direction `yaw` [rad]."""
    return np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([-np.sin(yaw), np.cos(yaw), 0.0])


def pad_rays(across: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return ray origins relative to the TCP (S, A, U, 3) [m]: by shift, across the pads, up the pads."""
    offsets = shifts[:, None, None] + RAYS_ACROSS[None, :, None]
    return np.asarray(offsets[..., None] * across + RAYS_UP[None, None, :, None] * np.array([0, 0, 1.0]))


def pad_contacts(target: ConvexPolyhedron, closing: np.ndarray, hits: RayHits) -> tuple[PadContact, PadContact]:
    """Return the contacts of both pads that close along `closing` (3,); `hits` (A, U) has at least one hit."""
    hit = hits.hit
    near = hit & (hits.entry < hits.entry[hit].min() + _PAD_COMPLIANCE)
    far = hit & (hits.exit > hits.exit[hit].max() - _PAD_COMPLIANCE)
    return (
        _contact(near, (target.normals[hits.entry_face[near]] @ closing) * -1.0),
        _contact(far, (target.normals[hits.exit_face[far]] @ closing) * 1.0),
    )


def _contact(touching: np.ndarray, alignment: np.ndarray) -> PadContact:
    where = np.argwhere(touching)
    center = np.array([RAYS_ACROSS[where[:, 0]].mean(), RAYS_UP[where[:, 1]].mean()])
    return PadContact(float(alignment.mean()), float(touching.mean()), center)


def moment_arm(target: ConvexPolyhedron, contacts: tuple[PadContact, PadContact], shift: float, height: float) -> float:
    """Return the distance between the object's center and the middle of the pad contacts [m], heights counting half.

    Args:
        target: the object.
        contacts: contacts of both pads.
        shift: offset of the TCP from the object's center across the closing direction [m].
        height: height of the TCP [m].
    """
    middle = (contacts[0].center + contacts[1].center) / 2
    return float(np.hypot(shift + middle[0], 0.5 * (height + middle[1] - target.center[2])))

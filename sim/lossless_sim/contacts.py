"""Contacts between geoms."""

import mujoco
import numpy as np

CONTACT_DISTANCE = 1e-8  # [m], at most, as in the released environment


def contact_pairs(data: mujoco.MjData) -> np.ndarray:
    """Return the geom numbers of all touching pairs (N, 2)."""
    return data.contact.geom[data.contact.dist <= CONTACT_DISTANCE]

"""Success criterion: the sparse reward of the released environment for red stacked on blue."""

import mujoco
import numpy as np

from lossless_sim.contacts import contact_pairs
from lossless_sim.model_indices import ModelIndices

ALIGNED = 0.05  # horizontal distance between red and blue, at most [m]
ABOVE = 0.02  # height of red above blue, at least [m]


def stacked(data: mujoco.MjData, indices: ModelIndices) -> bool:
    """Return whether red is above blue, touches it, and touches neither the robot nor the table.

    The released criterion looks up table geoms by names that the basket's floor does not have. As there, only the
    height excludes a red object that lies on the basket's floor.
    """
    red, _, blue = data.xpos[indices.objects]
    if np.linalg.norm(red[:2] - blue[:2]) >= ALIGNED or red[2] - blue[2] <= ABOVE:
        return False
    red_geom, _, blue_geom = indices.object_geoms
    pairs = contact_pairs(data)
    with_red = pairs[(pairs == red_geom).any(axis=1)]
    others = np.where(with_red[:, 0] == red_geom, with_red[:, 1], with_red[:, 0])
    forbidden = indices.robot_geoms[others] | (others == indices.table)
    return bool((others == blue_geom).any() and not forbidden.any())

"""When red counts as stacked on blue: the released environment's sparse reward."""

import mujoco
import numpy as np

from lossless_sim.ids import Ids

ALIGNED = 0.05  # horizontal distance under this [m]
ABOVE = 0.02  # vertical distance over this [m]
_TOUCH = 1e-8  # contact distance that counts as touching [m]


def stacked(data: mujoco.MjData, ids: Ids) -> bool:
    """Red is over blue, touches it, and touches neither the robot nor the table.

    The released test looks for table geoms by names that the basket's floor does not have; red lying on the
    basket's floor is therefore excluded by the height alone, here as there.
    """
    red, _, blue = data.xpos[ids.objects]
    if np.linalg.norm(red[:2] - blue[:2]) >= ALIGNED or red[2] - blue[2] <= ABOVE:
        return False
    red_geom, _, blue_geom = ids.object_geoms
    pairs = data.contact.geom[data.contact.dist <= _TOUCH]
    with_red = pairs[(pairs == red_geom).any(axis=1)]
    others = np.where(with_red[:, 0] == red_geom, with_red[:, 1], with_red[:, 0])
    forbidden = ids.robot_geoms[others] | (others == ids.table)
    return bool((others == blue_geom).any() and not forbidden.any())

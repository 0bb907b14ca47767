"""Geometry of the basket that holds the objects."""

import numpy as np

from lossless_sim.scene.compose import BASKET_POSITION

CENTER = np.array(BASKET_POSITION[:2])  # [m]
FLOOR = BASKET_POSITION[2]  # height of the floor [m]
WALL_FOOT = 0.1217  # distance from the center to the foot of the walls [m]
WALL_SLOPE = 0.477  # tan(25.5 deg)
_MARGIN = 0.001  # [m]


def hits_basket(points: np.ndarray, height: float) -> bool:
    """Return whether something at the points (N, 2) [m] and that height [m] touches the floor or a wall."""
    beyond_foot = np.abs(points - CENTER).max() - WALL_FOOT
    return bool(height < FLOOR + WALL_SLOPE * max(0.0, beyond_foot) + _MARGIN)

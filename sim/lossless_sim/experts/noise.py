"""Noise on what an expert does, so that demonstrations show how it recovers."""

import numpy as np

from lossless_sim.env import ACTION_HIGH
from lossless_sim.errors import SimError

MEMORY = 0.8  # of one control step's noise in the next: it lasts for about a quarter of a second (ours)
_STREAM = 0x6E6F6973  # so that the noise shares no random numbers with the episode's start or the expert


class Noise:
    """Correlated Gaussian noise on the arm's velocities; the gripper is left alone.

    It disturbs what is executed, and what the expert wanted stays the label (DART, Laskey et al. 2017): the
    robot is driven off the expert's path, and every recorded action leads back to it.

    Args:
        level: standard deviation as a share of the action limits, 0 (none) to 1.
        seed: of the episode; the same seed gives the same noise.

    Raises:
        SimError: a level out of its range.
    """

    def __init__(self, level: float, seed: int) -> None:
        if not 0.0 <= level <= 1.0:
            raise SimError(f"expert noise is {level}, expected a share of the action limits from 0 to 1")
        self._level = level
        self._rng = np.random.default_rng([seed, _STREAM])
        self._now = self._rng.standard_normal(4)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The action (5,) float32 to execute for the expert's action (5,), within the limits."""
        if self._level == 0.0:
            return action
        fresh = self._rng.standard_normal(4)
        self._now = MEMORY * self._now + np.sqrt(1.0 - MEMORY**2) * fresh
        disturbed = action + np.append(self._level * self._now, 0.0) * ACTION_HIGH
        return np.clip(disturbed, -ACTION_HIGH, ACTION_HIGH).astype(np.float32)

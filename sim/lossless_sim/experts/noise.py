"""Expert noise: disturbances of the executed actions, so that demonstrations show recoveries."""

import numpy as np

from lossless_sim.actions import ACTION_HIGH
from lossless_sim.errors import SimError

CORRELATION = 0.8  # between successive steps; a disturbance lasts about a quarter of a second (our choice)
_SEED_STREAM_ID = 0x6E6F6973  # keeps the noise independent of the random numbers of environment and expert


class Noise:
    """Correlated Gaussian noise on the arm's velocities; the gripper is not disturbed.

    The noise disturbs the executed action, while the expert's action remains the label (DART, Laskey et al. 2017): the
    robot is driven off the expert's path, and every recorded action leads back to it.

    Args:
        level: standard deviation as a share of the action limits, from 0 (no noise) to 1.
        seed: seed of the episode; the same seed gives the same noise.

    Raises:
        SimError: the level is out of range.
    """

    def __init__(self, level: float, seed: int) -> None:
        if not 0.0 <= level <= 1.0:
            raise SimError(f"expert noise is {level}, expected a share of the action limits from 0 to 1")
        self._level = level
        self._rng = np.random.default_rng([seed, _SEED_STREAM_ID])
        self._noise = self._rng.standard_normal(4)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return the action (5,) float32 to execute for the expert's action (5,), within the limits."""
        if self._level == 0.0:
            return action
        innovation = self._rng.standard_normal(4)
        self._noise = CORRELATION * self._noise + np.sqrt(1.0 - CORRELATION**2) * innovation
        disturbed = action + np.append(self._level * self._noise, 0.0) * ACTION_HIGH
        return np.clip(disturbed, -ACTION_HIGH, ACTION_HIGH).astype(np.float32)

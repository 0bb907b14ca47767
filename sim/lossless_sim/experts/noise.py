"""Expert noise: disturbances of the executed actions, so that demonstrations show recoveries."""

import numpy as np

from lossless_sim.actions import ACTION_HIGH
from lossless_sim.errors import SimError
from lossless_sim.timing import CONTROL_PERIOD

CORRELATION = 0.8  # between successive steps; a disturbance lasts about a quarter of a second (our choice)
INVERSION = (0.5, 1.5)  # shortest and longest inversion of the gripper [s]; closing takes about 1 s
_ARM_STREAM_ID = 0x6E6F6973  # keeps the noise independent of the random numbers of environment and expert
_GRIPPER_STREAM_ID = 0x67726970


class Noise:
    """Correlated Gaussian noise on the arm's velocities, and inversions of the gripper's command.

    The noise disturbs the executed action, while the expert's action remains the label (DART, Laskey et al. 2017): the
    robot is driven off the expert's path, and every recorded action leads back to it. An inverted gripper command
    closes the fingers around nothing, or drops what they hold.

    Args:
        level: standard deviation of the velocities' noise as a share of the action limits, from 0 (no noise) to 1.
        seed: seed of the episode; the same seed gives the same noise.
        gripper: mean number of inversions of the gripper's command per second, from 0 (none) to 1.
        action_high: largest action (dim,).
        control_period: time between two actions [s].
        gripper_outputs: how many components, the last ones, move the gripper.

    Raises:
        SimError: the level or the number of inversions is out of range.
    """

    def __init__(
        self,
        level: float,
        seed: int,
        gripper: float = 0.0,
        action_high: np.ndarray = ACTION_HIGH,
        control_period: float = CONTROL_PERIOD,
        gripper_outputs: int = 1,
    ) -> None:
        if not 0.0 <= level <= 1.0:
            raise SimError(f"expert noise is {level}, expected a share of the action limits from 0 to 1")
        if not 0.0 <= gripper <= 1.0:
            raise SimError(f"gripper noise is {gripper}, expected 0 to 1 inversions per second")
        self._level, self._gripper = level, gripper
        self._high, self._period = action_high, control_period
        self._rng = np.random.default_rng([seed, _ARM_STREAM_ID])
        self._gripper_rng = np.random.default_rng([seed, _GRIPPER_STREAM_ID])
        self._noise = self._rng.standard_normal(len(action_high) - gripper_outputs)
        self._still = np.zeros(gripper_outputs)
        self._inverted = np.append(np.ones(len(self._noise)), -np.ones(gripper_outputs)).astype(np.float32)
        self._inverted_steps = 0  # left of the current inversion

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """Return the action (dim,) float32 to execute for the expert's action (dim,), within the limits."""
        if self._level > 0.0:
            innovation = self._rng.standard_normal(len(self._noise))
            self._noise = CORRELATION * self._noise + np.sqrt(1.0 - CORRELATION**2) * innovation
            disturbed = action + np.append(self._level * self._noise, self._still) * self._high
            action = np.clip(disturbed, -self._high, self._high).astype(np.float32)
        if self._gripper > 0.0 and self._is_inverted():
            action = action * self._inverted
        return action

    def _is_inverted(self) -> bool:
        """Return whether the gripper's command is inverted in this control period."""
        if self._inverted_steps == 0 and self._gripper_rng.random() < self._gripper * self._period:
            self._inverted_steps = round(self._gripper_rng.uniform(*INVERSION) / self._period)
        self._inverted_steps = max(0, self._inverted_steps - 1)
        return self._inverted_steps > 0

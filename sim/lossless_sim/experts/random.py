"""Random actions as a baseline."""

from typing import Any

import numpy as np

from lossless_sim.actions import ACTION_HIGH, ACTION_LOW


class RandomExpert:
    """Uniformly random actions within the limits."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return a uniformly random action (5,) float32."""
        return self._rng.uniform(ACTION_LOW, ACTION_HIGH).astype(np.float32)

"""Random actions as a baseline."""

from typing import Any

import numpy as np

from lossless_sim.actions import ACTION_HIGH


class RandomExpert:
    """Uniformly random actions (dim,) up to `action_high` (dim,) in both directions."""

    def __init__(self, seed: int, action_high: np.ndarray = ACTION_HIGH) -> None:
        self._rng, self._high = np.random.default_rng(seed), action_high

    def reset(self) -> None:
        """Do nothing: there is no state to reset."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return a uniformly random action (dim,) float32."""
        return self._rng.uniform(-self._high, self._high).astype(np.float32)

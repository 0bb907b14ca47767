"""The interface of experts."""

from typing import Any, Protocol

import numpy as np


class Expert(Protocol):
    """A policy that acts on the privileged state."""

    def reset(self) -> None:
        """Start another episode."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (dim,) float32 for the last return values of `env.reset` or `env.step`."""

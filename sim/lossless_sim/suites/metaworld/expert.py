"""The package's scripted policies as experts."""

import warnings
from typing import Any

import numpy as np

from lossless_sim.suites.metaworld.package import metaworld_module
from lossless_sim.suites.metaworld.tasks import ACTION_HIGH, split


class ScriptedExpert:
    """The scripted policy of a task: acts on the package's own observation, in `state`."""

    def __init__(self, name: str) -> None:
        self._policy = getattr(metaworld_module("policies"), split(name)[0].expert)()

    def reset(self) -> None:
        """Do nothing: the policy has no state."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (4,) float32: velocity [m/s], gripper from -1 (opens) to 1 (closes)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the environment clips actions, as is done here
            action = self._policy.get_action(obs["state"])
        return (np.clip(action, -1.0, 1.0) * ACTION_HIGH).astype(np.float32)

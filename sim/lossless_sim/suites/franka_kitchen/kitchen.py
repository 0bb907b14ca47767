"""The package's model, and where the kitchen stands in it."""

from copy import copy
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

import mujoco
import numpy as np

from lossless_sim.suites.franka_kitchen.package import kitchen_module

KITCHEN = "desk"  # body that carries all furniture
TOOL = "end_effector"  # site between the fingertips
_MODEL = "assets/kitchen_franka/kitchen_assets/kitchen_env_model.xml"


@dataclass(frozen=True)
class KitchenPose:
    """Where the kitchen stands: x, y, z [m] and its rotation about the vertical axis [rad]."""

    x: float = -0.1
    y: float = 0.75
    z: float = 0.0
    yaw: float = 0.0

    @classmethod
    def from_array(cls, values: np.ndarray) -> "KitchenPose":
        """Return the pose of x, y, z, yaw (4,)."""
        return cls(*map(float, values))

    def array(self) -> np.ndarray:
        """Return x, y, z, yaw (4,)."""
        return np.array(astuple(self))


def load_model() -> mujoco.MjModel:
    """Return a copy of the package's model.

    Raises:
        SimError: the package is not installed.
    """
    return copy(_compiled_model())


@cache
def _compiled_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(model_path()))


def model_path() -> Path:
    """Return the file of the package's model.

    Raises:
        SimError: the package is not installed.
    """
    return Path(str(kitchen_module().__file__)).parents[1] / _MODEL


def place_kitchen(model: mujoco.MjModel, pose: KitchenPose) -> None:
    """Move the kitchen of a model."""
    body = model.body(KITCHEN)
    body.pos = pose.x, pose.y, pose.z
    body.quat = np.cos(pose.yaw / 2), 0.0, 0.0, np.sin(pose.yaw / 2)

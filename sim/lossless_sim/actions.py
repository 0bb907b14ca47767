"""Actions: limits and validation."""

import numpy as np

from lossless_sim.control import MAX_ANGULAR, MAX_LINEAR
from lossless_sim.errors import SimError

ACTION_NAMES = ("vx", "vy", "vz", "wz", "gripper")
ACTION_LOW = np.array([-MAX_LINEAR] * 3 + [-MAX_ANGULAR, -1.0], np.float32)
ACTION_HIGH = -ACTION_LOW
NO_MOTION = np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32)  # stand still, gripper open
_TOLERANCE = 1.0001  # a limit in float32 may be slightly above it


def check_action(action: np.ndarray) -> None:
    """Raise SimError unless the action is five finite numbers within the limits."""
    if action.shape != (5,) or not np.isfinite(action).all():
        raise SimError(f"an action is five finite numbers ({', '.join(ACTION_NAMES)}), got {action.tolist()}")
    outside = np.flatnonzero(np.abs(action) > _TOLERANCE * ACTION_HIGH)
    if len(outside):
        first = int(outside[0])
        limit = ACTION_HIGH[first]
        raise SimError(f"action {ACTION_NAMES[first]} is {action[first]:g}, expected {-limit:g} to {limit:g}")


def check_joint_velocities(velocities: np.ndarray) -> None:
    """Raise SimError unless the joint velocities are seven finite numbers."""
    if np.shape(velocities) != (7,) or not np.isfinite(velocities).all():
        raise SimError(f"joint velocities are seven finite numbers, got {np.asarray(velocities).tolist()}")

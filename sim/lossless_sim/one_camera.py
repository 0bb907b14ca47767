"""What environments share whose one camera is named by the task: their observation space and their only stage."""

from collections.abc import Sequence

import gymnasium
import numpy as np

from lossless_sim.errors import unknown
from lossless_sim.suite import Info, Observation

CAMERA = "camera"
SOLVED = "solved"  # the only stage: the task's goal is reached


def check_cameras(cameras: Sequence[str]) -> None:
    """Check names of cameras.

    Raises:
        SimError: one is not CAMERA.
    """
    for wanted in cameras:
        if wanted != CAMERA:
            raise unknown("camera", wanted, (CAMERA,))


def observation_space(
    cameras: Sequence[str], image_size: int, arm: int, gripper: int, state: gymnasium.spaces.Box
) -> gymnasium.spaces.Dict:
    """Return the space of observations with images, the joints of arm and gripper, the tool's pose and `state`."""
    kinds = ("position", "velocity", "effort")
    sizes = {f"joint_{kind}": arm for kind in kinds} | {f"gripper_{kind}": gripper for kind in kinds}
    return gymnasium.spaces.Dict(
        {
            **{name: gymnasium.spaces.Box(0, 255, (image_size, image_size, 3), np.uint8) for name in cameras},
            **{key: unbounded(size) for key, size in sizes.items()},
            "tcp_pose": unbounded(7),
            "state": state,
        }
    )


def unbounded(size: int) -> gymnasium.spaces.Box:
    """Return the space of `size` numbers."""
    return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)


def find_stages(observation: Observation, info: Info) -> list[str]:
    """Return SOLVED where the goal is reached."""
    return [SOLVED] if info["success"] else []

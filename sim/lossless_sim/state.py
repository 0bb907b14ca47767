"""The released specialists' observation, read from the simulation."""

from collections import deque

import mujoco
import numpy as np

from lossless_sim.contacts import contact_pairs
from lossless_sim.control import GRIPPER_SPEED, Command
from lossless_sim.model_indices import ModelIndices
from lossless_sim.rotations import matrix_to_quaternion, positive
from lossless_sim.scene import names
from lossless_sim.state_layout import (
    FINGER_RANGE,
    FINGER_UNITS,
    GRASPED,
    GRASPED_WHILE_OPENING,
    LAYOUT,
    NOT_GRASPED,
)


class StateObserver:
    """Reads the observation of one episode and stacks its past values."""

    def __init__(self, model: mujoco.MjModel, indices: ModelIndices) -> None:
        self._model = model
        self._indices = indices
        self._history: dict[str, deque[np.ndarray]] = {}
        self._finger = 0.0

    def reset(self, data: mujoco.MjData) -> None:
        """Clear the history; the next observation fills all past values."""
        self._history.clear()
        self._finger = finger_units(data, self._indices)

    def __call__(self, data: mujoco.MjData, command: Command) -> np.ndarray:
        """Return the observation (292,) float32 at the end of a control period with `command`."""
        parts: list[np.ndarray] = []
        values = self._values(data, command)
        for block in LAYOUT:
            value = np.asarray(values[block.key], np.float32).reshape(block.width)
            past = self._history.setdefault(block.key, deque([value] * block.depth, maxlen=block.depth))
            past.appendleft(value)
            parts.extend(past)
        return np.concatenate(parts)

    def _values(self, data: mujoco.MjData, command: Command) -> dict[str, np.ndarray]:
        """Return the current value of each block."""
        indices = self._indices
        before, self._finger = self._finger, finger_units(data, indices)
        pinch = site_pose(data, indices.pinch)
        values = {
            "action/environment": np.append(command.joints, command.gripper),
            "gripper/grasp": np.array([grasp_flag(data, indices, command)]),
            "gripper/joints/angle": np.array([self._finger]),
            "gripper/joints/velocity": np.array([self._finger - before]),
            "sawyer/joints/angle": data.qpos[indices.arm_qpos],
            "sawyer/joints/torque": data.sensordata[indices.torque],
            "sawyer/joints/velocity": data.qvel[indices.arm_dof],
            "sawyer/pinch/pose": pinch,
            "sawyer/tcp/pose": site_pose(data, indices.wrist),
            "sawyer/tcp/velocity": self._wrist_velocity(data),
            "wrist/force": data.sensordata[indices.force_xyz],
            "wrist/torque": data.sensordata[indices.torque_xyz],
        }
        for color, body in zip(names.COLORS, indices.objects, strict=True):
            pose = np.concatenate([data.xpos[body], positive(data.xquat[body])])
            values[f"rgb30_{color}/abs_pose"] = pose
            values[f"rgb30_{color}/to_pinch"] = pose - pinch
        return values

    def _wrist_velocity(self, data: mujoco.MjData) -> np.ndarray:
        """Return the velocity (6,) of the wrist site in the world: linear [m/s], angular [rad/s]."""
        velocity = np.empty(6)
        site = mujoco.mjtObj.mjOBJ_SITE
        mujoco.mj_objectVelocity(self._model, data, site, self._indices.wrist, velocity, 0)
        return np.concatenate([velocity[3:], velocity[:3]])


def site_pose(data: mujoco.MjData, site: int) -> np.ndarray:
    """Return the pose (7,) of a site in the world: x, y, z [m], qw, qx, qy, qz with qw >= 0."""
    return np.concatenate([data.site_xpos[site], matrix_to_quaternion(data.site_xmat[site])])


def finger_units(data: mujoco.MjData, indices: ModelIndices) -> float:
    """Return the finger position as the Robotiq reports it: integers from 0 (open) to 255 (closed)."""
    angle = data.qpos[indices.finger_qpos] / FINGER_RANGE
    return float(np.round(np.clip(angle * FINGER_UNITS, 0.0, FINGER_UNITS)))


def grasp_flag(data: mujoco.MjData, indices: ModelIndices, command: Command) -> int:
    """Return the gripper's grasp flag: whether both fingertips touch something, closing or opening."""
    touching = [False, False]
    for first, second in contact_pairs(data):
        for side, fingertip in enumerate(indices.fingertips):
            other = second if first == fingertip else first if second == fingertip else None
            if other is not None and other not in indices.fingertips:
                touching[side] = True
    if not all(touching):
        return NOT_GRASPED
    return GRASPED if command.gripper == GRIPPER_SPEED else GRASPED_WHILE_OPENING

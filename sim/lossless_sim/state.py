"""The released specialists' observation: 292 numbers, blocks in alphabetical order, newest first."""

from collections import deque
from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.control import GRIPPER_SPEED, Command
from lossless_sim.ids import Ids
from lossless_sim.rotations import matrix_to_quaternion, positive

FINGER_RANGE = 0.8  # joint angle of a closed finger [rad]
SIZE = 292
_TOUCH = 1e-8  # [m], the distance under which the released environment calls two geoms touching


@dataclass(frozen=True)
class Layout:
    """One block of the observation: how many past values, and how many numbers each."""

    key: str
    depth: int
    width: int


LAYOUT = (
    Layout("action/environment", 2, 8),
    Layout("gripper/grasp", 3, 1),
    Layout("gripper/joints/angle", 3, 1),
    Layout("gripper/joints/velocity", 3, 1),
    Layout("rgb30_blue/abs_pose", 3, 7),
    Layout("rgb30_blue/to_pinch", 3, 7),
    Layout("rgb30_green/abs_pose", 3, 7),
    Layout("rgb30_green/to_pinch", 3, 7),
    Layout("rgb30_red/abs_pose", 3, 7),
    Layout("rgb30_red/to_pinch", 3, 7),
    Layout("sawyer/joints/angle", 3, 7),
    Layout("sawyer/joints/torque", 3, 7),
    Layout("sawyer/joints/velocity", 3, 7),
    Layout("sawyer/pinch/pose", 3, 7),
    Layout("sawyer/tcp/pose", 3, 7),
    Layout("sawyer/tcp/velocity", 3, 6),
    Layout("wrist/force", 3, 3),
    Layout("wrist/torque", 3, 3),
)


class StateObserver:
    """Reads and stacks the observation of one episode."""

    def __init__(self, model: mujoco.MjModel, ids: Ids) -> None:
        self._model = model
        self._ids = ids
        self._history: dict[str, deque[np.ndarray]] = {}
        self._finger = 0.0

    def reset(self, data: mujoco.MjData) -> None:
        """Forget the past; the next observation fills every slot."""
        self._history.clear()
        self._finger = finger_units(data, self._ids)

    def __call__(self, data: mujoco.MjData, command: Command) -> np.ndarray:
        """The observation (292,) float32 after `command` was carried out for a control period."""
        parts: list[np.ndarray] = []
        values = self._values(data, command)
        for block in LAYOUT:
            value = np.asarray(values[block.key], np.float32).reshape(block.width)
            past = self._history.setdefault(block.key, deque([value] * block.depth, maxlen=block.depth))
            past.appendleft(value)
            parts.extend(past)
        return np.concatenate(parts)

    def _values(self, data: mujoco.MjData, command: Command) -> dict[str, np.ndarray]:
        ids = self._ids
        before, self._finger = self._finger, finger_units(data, ids)
        pinch = site_pose(data, ids.pinch)
        values = {
            "action/environment": np.append(command.joints, command.gripper),
            "gripper/grasp": np.array([grasp_flag(data, ids, command)]),
            "gripper/joints/angle": np.array([self._finger]),
            "gripper/joints/velocity": np.array([self._finger - before]),
            "sawyer/joints/angle": data.qpos[ids.arm_qpos],
            "sawyer/joints/torque": data.sensordata[ids.torque],
            "sawyer/joints/velocity": data.qvel[ids.arm_dof],
            "sawyer/pinch/pose": pinch,
            "sawyer/tcp/pose": site_pose(data, ids.wrist),
            "sawyer/tcp/velocity": self._wrist_velocity(data),
            "wrist/force": data.sensordata[ids.force_xyz],
            "wrist/torque": data.sensordata[ids.torque_xyz],
        }
        for colour, body in zip(("red", "green", "blue"), ids.objects, strict=True):
            pose = np.concatenate([data.xpos[body], positive(data.xquat[body])])
            values[f"rgb30_{colour}/abs_pose"] = pose
            values[f"rgb30_{colour}/to_pinch"] = pose - pinch
        return values

    def _wrist_velocity(self, data: mujoco.MjData) -> np.ndarray:
        """Velocity (6,) of the wrist site in the world: linear [m/s], angular [rad/s]."""
        velocity = np.empty(6)
        site = mujoco.mjtObj.mjOBJ_SITE
        mujoco.mj_objectVelocity(self._model, data, site, self._ids.wrist, velocity, 0)
        return np.concatenate([velocity[3:], velocity[:3]])


def site_pose(data: mujoco.MjData, site: int) -> np.ndarray:
    """Pose (7,) of a site in the world: x, y, z, qw, qx, qy, qz with qw >= 0."""
    return np.concatenate([data.site_xpos[site], matrix_to_quaternion(data.site_xmat[site])])


def finger_units(data: mujoco.MjData, ids: Ids) -> float:
    """Finger position as the Robotiq reports it: 0 open to 255 closed, whole numbers."""
    angle = data.qpos[ids.finger_qpos] / FINGER_RANGE
    return float(np.round(np.clip(angle * 255.0, 0.0, 255.0)))


def grasp_flag(data: mujoco.MjData, ids: Ids, command: Command) -> int:
    """1: nothing grasped; 2: both fingertips touch something while closing; 3: while opening."""
    touched = [False, False]
    for first, second in data.contact.geom[data.contact.dist <= _TOUCH]:
        for side, tip in enumerate(ids.fingertips):
            other = second if first == tip else first if second == tip else None
            if other is not None and other not in ids.fingertips:
                touched[side] = True
    if not all(touched):
        return 1
    return 2 if command.gripper == GRIPPER_SPEED else 3

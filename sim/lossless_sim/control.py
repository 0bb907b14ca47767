"""Cartesian 4-D velocity control of the arm: what DeepMind's controller does, solved in closed form.

Their controller solves, with OSQP, first  min |J q' - v|^2 + 0.01 |q'|^2  within the joint limits, then the
velocity nearest to a pull towards a reference posture among those that move the hand alike (dm_robotics,
cpp/controllers, Apache-2.0; parameters of the released rgb_stacking task). Without active limits both have a
closed form; a joint at its limit is held there and the rest is solved again.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.ids import Ids
from lossless_sim.rotations import rotation_between
from lossless_sim.scene.physics import CONTROL_PERIOD

MAX_LINEAR = 0.07  # [m/s], also of the norm
MAX_ANGULAR = 1.0  # [rad/s]
GRIPPER_SPEED = 255.0  # finger command, in units of 0 (open) to 255 (closed) per second
WORKSPACE_LOW = np.array([0.475, -0.125, 0.0698])  # of the tool centre [m]
WORKSPACE_HIGH = np.array([0.725, 0.125, 0.2698])
WRIST_LIMIT = np.pi / 2  # of the last joint [rad]
POSTURE = np.array([0.0, -0.5186220703125, -0.529384765625, 1.220857421875, 0.40857421875, 1.07831640625, 0.0])
POSTURE_GAIN = 0.025
REGULARIZATION = 0.01
LIMIT_MARGIN = 0.01  # from the joints' limits [rad]
LIMIT_SPEED = 0.95  # of the remaining way to a limit that one period may use up
LEVEL_GAIN = 0.8  # [rad/s per rad] that keeps the gripper pointing down
VELOCITY_LIMITS = np.array([1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545])  # of the joints [rad/s]


@dataclass(frozen=True)
class Command:
    """What the motors get for a control period: joint velocities (7,) [rad/s] and finger command, +-255."""

    joints: np.ndarray
    gripper: float


class CartesianController:
    """Turns actions into commands for a model; keeps no state between calls."""

    def __init__(self, model: mujoco.MjModel, ids: Ids) -> None:
        self._model = model
        self._ids = ids
        joints = model.dof_jntid[ids.arm_dof]
        self._low = model.jnt_range[joints, 0] + LIMIT_MARGIN
        self._high = model.jnt_range[joints, 1] - LIMIT_MARGIN
        self._jacobian = np.zeros((6, model.nv))

    def command(self, data: mujoco.MjData, action: np.ndarray) -> Command:
        """The command for an action (5,), which is clipped to its limits and to the workspace.

        Args:
            data: with kinematics up to date.
            action: vx, vy, vz [m/s], wz [rad/s] of the wrist in the world, gripper (> 0 closes).
        """
        twist = self._twist(data, action)
        gripper = GRIPPER_SPEED if action[4] > 0 else -GRIPPER_SPEED
        return Command(self.joint_velocities(data, twist).astype(np.float32), gripper)

    def joint_command(self, data: mujoco.MjData, joints: np.ndarray, gripper: float) -> Command:
        """The command for joint velocities (7,) [rad/s], clipped to their limits; gripper > 0 closes."""
        low, high = self._bounds(data)
        return Command(np.clip(joints, low, high).astype(np.float32), GRIPPER_SPEED if gripper > 0 else -GRIPPER_SPEED)

    def _twist(self, data: mujoco.MjData, action: np.ndarray) -> np.ndarray:
        """Velocity (6,) of the wrist site in the world, workspace and speed limits kept."""
        velocity = np.clip(action[:3], -MAX_LINEAR, MAX_LINEAR).astype(np.float64)
        turn = float(np.clip(action[3], -MAX_ANGULAR, MAX_ANGULAR))
        position = data.site_xpos[self._ids.pinch]
        leaving = ((position < WORKSPACE_LOW) & (velocity < 0)) | ((position > WORKSPACE_HIGH) & (velocity > 0))
        velocity[leaving] = 0.0
        wrist = -data.qpos[self._ids.arm_qpos[6]]  # a positive turn about world z lowers the joint angle
        if (wrist < -WRIST_LIMIT and turn < 0) or (wrist > WRIST_LIMIT and turn > 0):
            turn = 0.0
        rotation = data.site_xmat[self._ids.wrist].reshape(3, 3)
        level = LEVEL_GAIN * rotation_between(np.array([0.0, 0.0, 1.0]), -rotation[2])
        angular = rotation @ np.array([level[0], level[1], -turn])
        return np.concatenate([_shorten(velocity, MAX_LINEAR), _shorten(angular, MAX_ANGULAR)])

    def joint_velocities(self, data: mujoco.MjData, twist: np.ndarray) -> np.ndarray:
        """Joint velocities (7,) [rad/s] for a velocity (6,) of the wrist site in the world."""
        mujoco.mj_jacSite(self._model, data, self._jacobian[:3], self._jacobian[3:], self._ids.wrist)
        jacobian = self._jacobian[:, self._ids.arm_dof]
        posture = POSTURE_GAIN * (POSTURE - data.qpos[self._ids.arm_qpos]) / CONTROL_PERIOD
        return solve(jacobian, twist, posture, *self._bounds(data))

    def _bounds(self, data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest joint velocities (7,) [rad/s] that keep the joints within their limits."""
        position = data.qpos[self._ids.arm_qpos]
        rate = LIMIT_SPEED / CONTROL_PERIOD
        low = np.maximum(-VELOCITY_LIMITS, -rate * np.maximum(position - self._low, 0.0))
        return low, np.minimum(VELOCITY_LIMITS, rate * np.maximum(self._high - position, 0.0))


def solve(
    jacobian: np.ndarray, twist: np.ndarray, posture: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Velocities (n,) in [low, high] that follow `twist` (6,) by `jacobian` (6, n), pulled to `posture` (n,)."""
    fixed = np.zeros(len(posture), bool)
    velocity = np.zeros(len(posture))
    for _ in range(len(posture) + 1):
        free = ~fixed
        part = jacobian[:, free]
        rest = twist - jacobian[:, fixed] @ velocity[fixed]
        gram = part @ part.T
        damped = gram + REGULARIZATION * np.eye(6)
        primary = part.T @ np.linalg.solve(damped, rest)
        inside = gram + 1e-9 * np.eye(6)
        pull = posture[free]
        velocity[free] = primary + pull - part.T @ np.linalg.solve(inside, part @ pull)
        outside = free & ((velocity < low - 1e-12) | (velocity > high + 1e-12))
        velocity = np.clip(velocity, low, high)
        if not outside.any():
            break
        fixed |= outside
    return velocity


def _shorten(vector: np.ndarray, length: float) -> np.ndarray:
    norm = float(np.linalg.norm(vector))
    return vector * (length / norm) if norm > length else vector

"""Cartesian 4-D velocity control of the arm: DeepMind's controller in closed form.

Their controller uses OSQP to solve  min |J q' - v|^2 + 0.01 |q'|^2  within the joint limits, and then finds, among the
solutions with the same end-effector velocity, the one closest to a pull towards a reference posture (dm_robotics,
cpp/controllers, Apache-2.0; parameters of the released rgb_stacking task). Without active limits both steps have a
closed form; joints at a limit are fixed and the rest is solved again.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.model_indices import ModelIndices
from lossless_sim.rotations import rotation_between
from lossless_sim.timing import CONTROL_PERIOD

MAX_LINEAR = 0.07  # per axis and of the norm [m/s]
MAX_ANGULAR = 1.0  # [rad/s]
GRIPPER_SPEED = 255.0  # finger command; 0 is open, 255 is closed [1/s]
WORKSPACE_LOW = np.array([0.475, -0.125, 0.0698])  # of the TCP [m]
WORKSPACE_HIGH = np.array([0.725, 0.125, 0.2698])
WRIST_LIMIT = np.pi / 2  # of the last joint, in either direction [rad]
# reference posture [rad]
POSTURE = np.array([0.0, -0.5186220703125, -0.529384765625, 1.220857421875, 0.40857421875, 1.07831640625, 0.0])
POSTURE_GAIN = 0.025  # share of the distance to the posture per control period
REGULARIZATION = 0.01
LIMIT_MARGIN = 0.01  # distance from the joint limits [rad]
LIMIT_SPEED = 0.95  # share of the distance to a joint limit that one control period may cover
LEVEL_GAIN = 0.8  # of the correction that keeps the gripper pointing down [1/s]
VELOCITY_LIMITS = np.array([1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545])  # of the joints [rad/s]


@dataclass(frozen=True)
class Command:
    """Actuator command of one control period: joint velocities (7,) [rad/s] and finger speed, +-255 [1/s]."""

    joints: np.ndarray
    gripper: float


class CartesianController:
    """Converts actions to actuator commands; stateless."""

    def __init__(self, model: mujoco.MjModel, indices: ModelIndices) -> None:
        self._model = model
        self._indices = indices
        joints = model.dof_jntid[indices.arm_dof]
        self._low = model.jnt_range[joints, 0] + LIMIT_MARGIN
        self._high = model.jnt_range[joints, 1] - LIMIT_MARGIN
        self._jacobian = np.zeros((6, model.nv))

    def command(self, data: mujoco.MjData, action: np.ndarray) -> Command:
        """Return the command for an action (5,), clipped to its limits and to the workspace.

        Args:
            data: simulation state with up-to-date kinematics.
            action: vx, vy, vz [m/s] and wz [rad/s] of the wrist in the world, gripper (> 0 closes).
        """
        twist = self._twist(data, action)
        return Command(self.joint_velocities(data, twist).astype(np.float32), _finger_speed(action[4]))

    def joint_command(self, data: mujoco.MjData, joints: np.ndarray, gripper: float) -> Command:
        """Return the command for joint velocities (7,) [rad/s], clipped to their limits; gripper > 0 closes."""
        low, high = self._bounds(data)
        return Command(np.clip(joints, low, high).astype(np.float32), _finger_speed(gripper))

    def _twist(self, data: mujoco.MjData, action: np.ndarray) -> np.ndarray:
        """Return the velocity (6,) of the wrist site in the world, within workspace and speed limits."""
        velocity = np.clip(action[:3], -MAX_LINEAR, MAX_LINEAR).astype(np.float64)
        turn = float(np.clip(action[3], -MAX_ANGULAR, MAX_ANGULAR))
        position = data.site_xpos[self._indices.pinch]
        leaving = ((position < WORKSPACE_LOW) & (velocity < 0)) | ((position > WORKSPACE_HIGH) & (velocity > 0))
        velocity[leaving] = 0.0
        wrist = -data.qpos[self._indices.arm_qpos[6]]  # a positive turn about world z lowers the joint angle
        if (wrist < -WRIST_LIMIT and turn < 0) or (wrist > WRIST_LIMIT and turn > 0):
            turn = 0.0
        rotation = data.site_xmat[self._indices.wrist].reshape(3, 3)
        level = LEVEL_GAIN * rotation_between(np.array([0.0, 0.0, 1.0]), -rotation[2])
        angular = rotation @ np.array([level[0], level[1], -turn])
        return np.concatenate([_limit_norm(velocity, MAX_LINEAR), _limit_norm(angular, MAX_ANGULAR)])

    def joint_velocities(self, data: mujoco.MjData, twist: np.ndarray) -> np.ndarray:
        """Return the joint velocities (7,) [rad/s] for a velocity (6,) of the wrist site in the world."""
        mujoco.mj_jacSite(self._model, data, self._jacobian[:3], self._jacobian[3:], self._indices.wrist)
        jacobian = self._jacobian[:, self._indices.arm_dof]
        posture = POSTURE_GAIN * (POSTURE - data.qpos[self._indices.arm_qpos]) / CONTROL_PERIOD
        low, high = self._bounds(data)
        return solve(jacobian, twist, posture, low, high)

    def _bounds(self, data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimum and maximum joint velocities (7,) [rad/s] that respect the joint limits."""
        position = data.qpos[self._indices.arm_qpos]
        rate = LIMIT_SPEED / CONTROL_PERIOD
        low = np.maximum(-VELOCITY_LIMITS, -rate * np.maximum(position - self._low, 0.0))
        return low, np.minimum(VELOCITY_LIMITS, rate * np.maximum(self._high - position, 0.0))


def solve(
    jacobian: np.ndarray, twist: np.ndarray, posture: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return joint velocities (n,) that realize a twist.

    Args:
        jacobian: of the end effector (6, n).
        twist: wanted end-effector velocity (6,).
        posture: joint velocities (n,) to approximate in the null space [rad/s].
        low, high: limits of the joint velocities (n,) [rad/s].
    """
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


def _finger_speed(gripper: float) -> float:
    return GRIPPER_SPEED if gripper > 0 else -GRIPPER_SPEED


def _limit_norm(vector: np.ndarray, length: float) -> np.ndarray:
    norm = float(np.linalg.norm(vector))
    return vector * (length / norm) if norm > length else vector

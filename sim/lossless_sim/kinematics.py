"""Inverse kinematics for the initial state of an episode."""

import mujoco
import numpy as np

from lossless_sim.errors import SimError
from lossless_sim.model_indices import ModelIndices
from lossless_sim.rotations import rotation_vector

TOLERANCE = 1e-4  # [m] and [rad]
MAX_ITERATIONS = 100
CENTERING_GAIN = 0.4  # per iteration, towards the middle of the joint ranges (dm_robotics ik_solver)
DAMPING = 1e-4


def solve_pose(
    model: mujoco.MjModel, indices: ModelIndices, position: np.ndarray, rotation: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return joint angles (7,) [rad] that place the TCP at `position` (3,) [m] with `rotation` (3, 3).

    Starting from `start` (7,) [rad], the iteration prefers solutions near the middle of the joint ranges, as
    DeepMind's solver does.

    Raises:
        SimError: the pose is unreachable.
    """
    data = mujoco.MjData(model)
    joints = model.dof_jntid[indices.arm_dof]
    low, high = model.jnt_range[joints].T
    middle = (low + high) / 2
    angles = start.copy()
    jacobian = np.zeros((6, model.nv))
    for step in range(MAX_ITERATIONS):
        data.qpos[indices.arm_qpos] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        there = data.site_xmat[indices.pinch].reshape(3, 3)
        error = np.concatenate([position - data.site_xpos[indices.pinch], rotation_vector(there, rotation)])
        if step > MAX_ITERATIONS // 2 and np.abs(error).max() < TOLERANCE:
            return angles
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], indices.pinch)
        arm = jacobian[:, indices.arm_dof]
        inverse = arm.T @ np.linalg.inv(arm @ arm.T + DAMPING * np.eye(6))
        pull = CENTERING_GAIN * (middle - angles) if step < MAX_ITERATIONS - 20 else np.zeros(len(angles))
        angles = np.clip(angles + inverse @ (error - arm @ pull) + pull, low, high)
    raise SimError(f"no joint angles reach the TCP position {np.round(position, 3).tolist()}")

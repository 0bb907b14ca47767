"""Inverse kinematics for the start of an episode."""

import mujoco
import numpy as np

from lossless_sim.errors import SimError
from lossless_sim.ids import Ids
from lossless_sim.rotations import rotation_vector

TOLERANCE = 1e-4  # [m] and [rad]
STEPS = 100
POSTURE_GAIN = 0.4  # per step, towards the middle of the joints' ranges (dm_robotics ik_solver)
DAMPING = 1e-4


def solve_pose(
    model: mujoco.MjModel, ids: Ids, position: np.ndarray, rotation: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Joint angles (7,) that put the tool centre at `position` (3,) [m] with `rotation` (3, 3).

    Of the solutions, the one near the middle of the joints' ranges is approached from `start` (7,), as
    DeepMind's solver prefers it.

    Raises:
        SimError: the pose is out of reach.
    """
    data = mujoco.MjData(model)
    joints = model.dof_jntid[ids.arm_dof]
    low, high = model.jnt_range[joints].T
    middle = (low + high) / 2
    angles = start.copy()
    jacobian = np.zeros((6, model.nv))
    for step in range(STEPS):
        data.qpos[ids.arm_qpos] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        there = data.site_xmat[ids.pinch].reshape(3, 3)
        error = np.concatenate([position - data.site_xpos[ids.pinch], rotation_vector(there, rotation)])
        if step > STEPS // 2 and np.abs(error).max() < TOLERANCE:
            return angles
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], ids.pinch)
        arm = jacobian[:, ids.arm_dof]
        inverse = arm.T @ np.linalg.inv(arm @ arm.T + DAMPING * np.eye(6))
        pull = POSTURE_GAIN * (middle - angles) if step < STEPS - 20 else np.zeros(len(angles))
        angles = np.clip(angles + inverse @ (error - arm @ pull) + pull, low, high)
    raise SimError(f"no joint angles reach {np.round(position, 3).tolist()}")

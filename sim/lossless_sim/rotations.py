"""Rotations; quaternions are (w, x, y, z) as in MuJoCo."""

import mujoco
import numpy as np


def matrix_to_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Convert a rotation matrix (9,) or (3, 3) to a unit quaternion (4,) with w >= 0."""
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(matrix, np.float64).reshape(9))
    return positive(quaternion)


def positive(quaternion: np.ndarray) -> np.ndarray:
    """Return the quaternion of the same rotation with w >= 0."""
    return -quaternion if quaternion[0] < 0 else quaternion


def quaternion_to_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Convert a unit quaternion (4,) to a rotation matrix (3, 3)."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, np.ascontiguousarray(quaternion, np.float64))
    return matrix.reshape(3, 3)


def rotation_between(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return the shortest rotation vector (3,) [rad] from the unit vector `start` to `goal`."""
    axis = np.cross(start, goal)
    sine = float(np.linalg.norm(axis))
    angle = float(np.arctan2(sine, start @ goal))
    return np.zeros(3) if sine < 1e-12 else axis * (angle / sine)


def rotation_vector(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) [rad] in the world from the rotation matrix `start` to `goal`."""
    quaternion = matrix_to_quaternion(goal @ start.T)
    sine = float(np.linalg.norm(quaternion[1:]))
    if sine < 1e-12:
        return np.zeros(3)
    return quaternion[1:] * (2 * np.arctan2(sine, quaternion[0]) / sine)


def downward(yaw: float) -> np.ndarray:
    """Return the rotation matrix (3, 3) of a gripper that points down: Euler xyz (pi, 0, yaw), as released."""
    c, s = np.cos(yaw), np.sin(yaw)
    about_x = np.diag([1.0, -1.0, -1.0])
    about_z = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return about_x @ about_z


def uniform_quaternion(rng: np.random.Generator) -> np.ndarray:
    """Sample a uniformly random orientation (4,)."""
    quaternion = rng.standard_normal(4)
    return quaternion / np.linalg.norm(quaternion)

"""Inverse kinematics of the Kitchen's arm."""

import mink
import mujoco
import numpy as np

from lossless_sim.suites.franka_kitchen.kitchen import TOOL
from lossless_sim.suites.franka_kitchen.tasks import ARM, CONTROL_PERIOD, MAX_SPEED

_POSTURE = (0.0, -0.2, 0.0, -1.9, 0.0, 1.5, 0.8)  # rad: elbow up, hand in front
_POSTURE_COST, _POSTURE_GAIN = 0.02, 0.1
_ORIENTATION_COST = 0.05  # m per rad: the hand may tilt where that is needed to reach
_DAMPING = 1e-3
_ITERATIONS = 60


class Arm:
    """Inverse kinematics within the joint limits. The kitchen may be anywhere: only the arm's joints matter."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._configuration = mink.Configuration(model)
        self._task = mink.FrameTask(TOOL, "site", position_cost=1.0, orientation_cost=_ORIENTATION_COST)
        self._home = self._configuration.q.copy()
        self._range = model.jnt_range[:9].T
        self._posture = mink.PostureTask(model, cost=_POSTURE_COST, gain=_POSTURE_GAIN)
        speeds = {
            model.joint(i).name: 0.0 for i in range(model.njnt) if model.jnt_type[i] != mujoco.mjtJoint.mjJNT_FREE
        }
        self._tasks = [self._task, self._posture]
        self._limits = [
            mink.ConfigurationLimit(model),
            mink.VelocityLimit(model, speeds | dict.fromkeys(ARM, MAX_SPEED)),
        ]

    def solve(self, position: np.ndarray, orientation: np.ndarray) -> np.ndarray:
        """Return joint angles (7,) [rad], elbow up, that bring the tool to a position (3,) and orientation (3, 3)."""
        q = self._home.copy()
        q[:7] = _POSTURE
        q[0] = np.arctan2(-position[0], position[1])  # the base faces the target
        posture = q.copy()
        for _ in range(_ITERATIONS):
            q[:7] += CONTROL_PERIOD * self._step(q, position, orientation, posture)
        return q[:7]

    def velocities(
        self, qpos: np.ndarray, position: np.ndarray, orientation: np.ndarray, posture: np.ndarray
    ) -> np.ndarray:
        """Return the velocities (7,) [rad/s] that bring the tool there within a control period, as far as possible.

        Args:
            qpos: MuJoCo's positions (nq,).
            position: of the tool (3,) [m].
            orientation: of the tool (3, 3).
            posture: preferred joint angles (7,) [rad].
        """
        q, preferred = self._home.copy(), self._home.copy()
        q[:9], preferred[:7] = np.clip(qpos[:9], *self._range), posture
        return self._step(q, position, orientation, preferred)

    def _step(self, q: np.ndarray, position: np.ndarray, orientation: np.ndarray, posture: np.ndarray) -> np.ndarray:
        self._configuration.update(q)
        self._posture.set_target(posture)
        self._task.set_target(mink.SE3.from_rotation_and_translation(mink.SO3.from_matrix(orientation), position))
        velocity = mink.solve_ik(
            self._configuration, self._tasks, CONTROL_PERIOD, "daqp", damping=_DAMPING, limits=self._limits
        )
        return velocity[:7]

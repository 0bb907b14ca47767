"""Experts that do the Kitchen's tasks from MuJoCo's positions and the kitchen's pose."""

from dataclasses import dataclass
from typing import Any

import mink
import mujoco
import numpy as np

from lossless_sim.suites.franka_kitchen.arm import Arm
from lossless_sim.suites.franka_kitchen.kitchen import KITCHEN, TOOL, KitchenPose, load_model, place_kitchen
from lossless_sim.suites.franka_kitchen.tasks import ARM, CONTROL_PERIOD, MAX_FINGER_SPEED, MAX_SPEED, TASKS, is_solved

_NUM_ARM = len(ARM)
_FINGERS = slice(_NUM_ARM, _NUM_ARM + 2)
_OPEN = 0.04  # m: position of an open finger
_STANDOFF = 0.12  # m: distance in front of the handle to which the joints bring the hand
_CORRIDOR = 0.05  # m: distance from the line to the handle within which the hand moves along it
_ALIGNED, _FUNNEL = 0.01, 3.0  # m, 1: further off the line than this it stays further back
_REACHED, _HELD = 0.025, 0.06  # m: distance from the handle at which the fingers close, and at which they hold it
_LEAD = 1.0  # rad, m: how far ahead of the moved part the hand aims, so that it pulls
_TANGENT = 0.05  # rad, m
_JOINT_GAIN, _LINEAR_GAIN, _ANGULAR_GAIN = 3.0, 3.0, 3.0  # 1/s
_MAX_JOINT, _MAX_LINEAR, _MAX_ANGULAR = 2.0, 0.6, 2.0  # rad/s, m/s, rad/s


@dataclass(frozen=True)
class Grip:
    """How the hand takes a handle.

    Attributes:
        offset: of the tool from the handle's site before the part moves, in the kitchen's axes [m]: right, away, up.
        closes: whether the fingers close around the handle; otherwise they stay closed, and push or hook it.
        rolled: whether the fingers lie above each other, not side by side.
        turns: whether the hand turns with the part.
        opens: largest opening of both fingers together when they hold the handle [m].
    """

    offset: tuple[float, float, float]
    closes: bool = True
    rolled: bool = False
    turns: bool = False
    opens: float = 0.06


GRIPS = {
    "knob1_on": Grip((0.0, -0.025, 0.0), turns=True, opens=0.04),
    "light_on": Grip((0.06, 0.02, 0.0), closes=False),  # pushes from the right
    "sdoor_open": Grip((0.0, 0.0, 0.0)),
    "ldoor_open": Grip((0.01, 0.03, -0.12), closes=False, rolled=True),  # hooks: there is no room to close
    "micro_open": Grip((0.0, 0.0, 0.08)),
}


class ScriptedExpert:
    """Brings the hand in front of the handle, takes the handle, and moves it along the path of its joint.

    It keeps no state: every action follows from the positions alone.
    """

    def __init__(self, name: str) -> None:
        self._task, self._grip = TASKS[name], GRIPS[name]
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site(self._task.handle).id
        self._joint, self._sign = self._task.joints[0], np.sign(self._task.goal[0])
        self._arm = Arm(self._model)
        self._solved: tuple[bytes, np.ndarray] | None = None  # the last pose and its solution

    def reset(self) -> None:
        """Do nothing: the expert has no state."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the joint velocities (9,) float32 [rad/s, m/s]."""
        qpos = info["qpos"]
        place_kitchen(self._model, KitchenPose.from_array(info["kitchen"]))
        velocity, closes = self._motion(qpos)
        arm = self._commands(qpos, velocity)
        arm *= min(1.0, MAX_SPEED / np.abs(arm).max())
        fingers = ((0.0 if closes else _OPEN) - qpos[_FINGERS]) / CONTROL_PERIOD
        return np.append(arm, np.clip(fingers, -MAX_FINGER_SPEED, MAX_FINGER_SPEED)).astype(np.float32)

    def _motion(self, qpos: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the arm's joint velocities (7,) [rad/s], and whether the fingers close."""
        closed = not self._grip.closes
        if is_solved(self._task, qpos):
            return np.zeros(_NUM_ARM), True
        now = qpos[self._joint]
        handle, facing = self._handle(now)
        approach = facing[:, 2]
        posture = self._posture(round(now, 1))
        self._forward(qpos)
        offset = self._data.site(TOOL).xpos - handle
        depth = float(approach @ offset)
        lateral = float(np.linalg.norm(offset - depth * approach))
        holds = closed or qpos[_FINGERS].sum() < self._grip.opens
        if np.linalg.norm(offset) < (_HELD if holds else _REACHED):
            return self._towards(qpos, *(self._ahead(now, handle) if holds else (handle, facing)), posture), True
        if lateral < _CORRIDOR and -1.5 * _STANDOFF < depth < _REACHED:
            back = np.clip(_FUNNEL * (lateral - _ALIGNED), 0.0, _STANDOFF)
            return self._towards(qpos, handle - back * approach, facing, posture), closed
        return _shorten(_JOINT_GAIN * (posture - qpos[:_NUM_ARM]), _MAX_JOINT), closed

    def _handle(self, joint: float) -> tuple[np.ndarray, np.ndarray]:
        """Return position (3,) and orientation (3, 3) of the tool that holds the handle with its joint there."""
        body = self._model.site_bodyid[self._site]
        qpos = self._model.qpos0.copy()
        self._forward(qpos)
        axes, closed = self._data.body(KITCHEN).xmat.reshape(3, 3), self._data.xmat[body].reshape(3, 3).copy()
        point = self._data.site_xpos[self._site] + axes @ self._grip.offset
        held = closed.T @ (point - self._data.xpos[body])
        qpos[self._joint] = joint
        self._forward(qpos)
        moved = self._data.xmat[body].reshape(3, 3)
        turn = moved @ closed.T if self._grip.turns else np.eye(3)
        return self._data.xpos[body] + moved @ held, turn @ _facing(point, self._grip.rolled)

    def _ahead(self, joint: float, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pose of the tool far ahead on the tangent of the handle's path from `here`: it pulls there."""
        there, _ = self._handle(joint + self._sign * _TANGENT)
        return here + (there - here) * _LEAD / _TANGENT, self._handle(joint + self._sign * _LEAD)[1]

    def _posture(self, joint: float) -> np.ndarray:
        """Return joint angles (7,) [rad] with the tool in front of the handle; the last ones are kept."""
        position, orientation = self._handle(joint)
        position = position - _STANDOFF * orientation[:, 2]
        key = position.tobytes()
        if self._solved is None or self._solved[0] != key:
            self._solved = key, self._arm.solve(position, orientation)
        return self._solved[1]

    def _towards(
        self, qpos: np.ndarray, position: np.ndarray, orientation: np.ndarray, posture: np.ndarray
    ) -> np.ndarray:
        """Return the arm's joint velocities (7,) [rad/s] towards a pose of the tool."""
        self._forward(qpos)
        tool = self._data.site(TOOL)
        rotation = tool.xmat.reshape(3, 3)
        step = _shorten(_LINEAR_GAIN * (position - tool.xpos), _MAX_LINEAR) * CONTROL_PERIOD
        error = mink.SO3.from_matrix(orientation @ rotation.T).log()
        turn = mink.SO3.exp(_shorten(_ANGULAR_GAIN * error, _MAX_ANGULAR) * CONTROL_PERIOD).as_matrix()
        return self._arm.velocities(qpos, tool.xpos + step, turn @ rotation, posture)

    def _commands(self, qpos: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Return the commands (7,) by which the package moves the arm at a velocity (7,) [rad/s].

        Its position controllers aim at the present position plus the command times the control period. The joints
        follow with a delay, and gravity pulls them off.
        """
        self._forward(qpos)
        stiffness = self._model.actuator_gainprm[:_NUM_ARM, 0]
        reached = 1 - np.exp(-stiffness / self._model.dof_damping[:_NUM_ARM] * CONTROL_PERIOD)
        gravity = np.zeros(self._model.nv)
        mujoco.mj_comVel(self._model, self._data)
        mujoco.mj_rne(self._model, self._data, 0, gravity)
        return velocity / reached + gravity[:_NUM_ARM] / (stiffness * CONTROL_PERIOD)

    def _forward(self, qpos: np.ndarray) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)


def _facing(point: np.ndarray, rolled: bool) -> np.ndarray:
    """Return the orientation (3, 3) of a level tool that points from the arm's base to a point (3,)."""
    away = np.array([point[0], point[1], 0.0]) / np.hypot(point[0], point[1])
    up = np.array([0.0, 0.0, 1.0])
    right = np.cross(away, up)
    return np.stack([-right, up, away] if rolled else [up, right, away], 1)


def _shorten(vector: np.ndarray, length: float) -> np.ndarray:
    return vector * min(1.0, length / max(float(np.linalg.norm(vector)), 1e-9))

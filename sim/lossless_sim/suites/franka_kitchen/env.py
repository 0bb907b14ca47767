"""The Franka Kitchen with cameras and random starts, in the units of the contract."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import gymnasium
import mujoco
import numpy as np

from lossless_sim.errors import SimError, UnstableError
from lossless_sim.free_camera import FreeCamera
from lossless_sim.one_camera import CAMERA, check_cameras, observation_space, unbounded
from lossless_sim.suite import Info, Observation
from lossless_sim.suites.franka_kitchen.kitchen import TOOL, place_kitchen
from lossless_sim.suites.franka_kitchen.package import kitchen_module
from lossless_sim.suites.franka_kitchen.starts import Start, draw_start
from lossless_sim.suites.franka_kitchen.tasks import ACTION_HIGH, ARM, FINGERS, MAX_STEPS, is_solved, split
from lossless_sim.suites.franka_kitchen.views import View

_JOINTS = len(ARM) + len(FINGERS)
_ARM, _FINGERS = slice(0, len(ARM)), slice(len(ARM), _JOINTS)
_LIGHT_BEHIND = 2  # its shadows fall where no camera looks, and take a sixth of the time of an image
_OTHER_GOAL = "kettle"  # the package wants one; tasks with a goal of ours take this one and do not use its reward


class KitchenEnv(gymnasium.Env[Observation, np.ndarray]):
    """A task of the Franka Kitchen; 12.5 Hz, 280 control periods.

    Action: float32 (9,) velocities of the arm's seven joints [rad/s] and of the two fingers [m/s]. Observations have
    the package's own observation (59,) as `state`; it and the joints' positions have the package's noise. `info` also
    has `kitchen` (4,): where the kitchen stands, see `KitchenPose`.

    Args:
        name: for example micro_open:left_cap2.
        domain: nominal or randomized, see `starts.DOMAINS`.
        cameras: `camera`, or none: then nothing is rendered.
        image_size: side of the images [px].

    Raises:
        SimError: the package is not installed, an unknown domain or camera, or an action that is not nine finite
            numbers.
        UnstableError: (a SimError) the simulation went unstable.
    """

    def __init__(
        self, name: str, domain: str = "nominal", cameras: Sequence[str] = (CAMERA,), image_size: int = 128
    ) -> None:
        check_cameras(cameras)
        _, self._task, view = split(name)
        self._domain = domain
        self._env = kitchen_module().KitchenEnv(
            tasks_to_complete=[self._task.element or _OTHER_GOAL],
            terminate_on_tasks_completed=False,  # whoever runs the episode decides when it ends
            remove_task_when_completed=False,
        )
        self._robot = self._env.robot_env
        self._home = self._robot.init_qpos.copy()
        self._start = Start(self._home)
        self._scratch = mujoco.MjData(self._env.model)
        self._steps = 0
        self._env.model.light_castshadow[_LIGHT_BEHIND] = False
        self._view = View(FreeCamera(self._env.model, image_size), view) if cameras else None
        self.action_space = gymnasium.spaces.Box(-ACTION_HIGH, ACTION_HIGH, dtype=np.float32)
        self.observation_space = observation_space(  # type: ignore[assignment]
            cameras, image_size, len(ARM), len(FINGERS), unbounded(59)
        )

    @property
    def package_env(self) -> Any:
        """The environment of the package."""
        return self._env

    def package_step(self, action: np.ndarray) -> Any:
        """Run one control period in the package and return what it returns."""
        return self._env.step(action / self._robot.act_rng)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start the episode of a seed; the same seed gives the same episode in any process."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31)) if seed is None else seed
        model = self._env.model
        self._start = draw_start(self._domain, drawn, self._task.handle, self._home, model, self._scratch)
        place_kitchen(model, self._start.kitchen)
        self._robot.init_qpos = self._start.qpos
        state, _ = self._env.reset(seed=drawn)
        self._steps = 0
        if self._view:
            self._view.look(self._env.data)
        return self._observation(state["observation"]), self._info() | {"seed": seed, "draw": self._draw()}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, Info]:
        """Run one control period; the reward is 1 where the goal is reached, else 0."""
        action = np.asarray(action, np.float32)
        if action.shape != (_JOINTS,) or not isfinite(action.sum()):
            raise SimError(f"an action is nine finite numbers (joint velocities), got {action.tolist()}")
        state, *_ = self.package_step(action)
        self._steps += 1
        if not isfinite(self._env.data.qpos.sum()):
            raise UnstableError("the simulation went unstable; discard the episode")
        info = self._info()
        return self._observation(state["observation"]), float(info["success"]), False, self._steps >= MAX_STEPS, info

    def _observation(self, state: np.ndarray) -> Observation:
        """Return the observation with the package's own one as `state`."""
        data = self._env.data
        tool = data.site(TOOL)
        pose = np.empty(7)
        pose[:3], quaternion = tool.xpos, np.empty(4)
        mujoco.mju_mat2Quat(quaternion, tool.xmat)
        pose[3:] = quaternion[[1, 2, 3, 0]]
        position, velocity, effort = state[:_JOINTS], state[_JOINTS : 2 * _JOINTS], data.qfrc_actuator[:_JOINTS].copy()
        observation = {
            "joint_position": position[_ARM],
            "joint_velocity": velocity[_ARM],
            "joint_effort": effort[_ARM],
            "gripper_position": position[_FINGERS],
            "gripper_velocity": velocity[_FINGERS],
            "gripper_effort": effort[_FINGERS],
            "tcp_pose": pose,
            "state": state,
        }
        if self._view:
            observation[CAMERA] = self._view.render(data)
        return observation

    def _info(self) -> Info:
        qpos = self._env.data.qpos.copy()
        return {"success": is_solved(self._task, qpos), "qpos": qpos, "kitchen": self._start.kitchen.array()}

    def _draw(self) -> dict[str, Any]:
        start = {"kitchen": self._start.kitchen.array().tolist(), "qpos": self._start.qpos[:_JOINTS].tolist()}
        return {"domain": self._domain, "start": start}

    def close(self) -> None:
        """Free the renderer."""
        if self._view:
            self._view.close()

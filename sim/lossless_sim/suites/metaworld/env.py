"""Meta-World's environments with cameras, in the units of the contract."""

from collections.abc import Sequence
from copy import copy
from math import isfinite
from typing import Any

import gymnasium
import mujoco
import numpy as np

from lossless_sim.errors import SimError, UnstableError
from lossless_sim.free_camera import FreeCamera
from lossless_sim.one_camera import CAMERA, check_cameras, observation_space
from lossless_sim.suite import Info, Observation
from lossless_sim.suites.metaworld.package import metaworld_module
from lossless_sim.suites.metaworld.tasks import ACTION_HIGH, CAMERAS, DOMAIN, LOOK_AT, split

_ARM, _FINGER, _ROBOT = slice(0, 7), slice(7, 8), slice(0, 8)  # of the joints; the second finger mirrors the first
_DOWNWARD = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])  # the hand's pose: x, y, z, qx, qy, qz, qw; it never turns


class MetaworldEnv(gymnasium.Env[Observation, np.ndarray]):
    """A task of Meta-World; 80 Hz, 500 control periods. The goal is observable and starts are random, as in R3M.

    Action: float32 (4,) velocity of the hand [m/s] along x (right), y (forward), z (up), and the gripper's effort from
    -1 (opens) to 1 (closes). Observations have the package's own observation (39,) as `state`.

    Args:
        name: for example hammer:left_cap2.
        cameras: `camera`, or none: then nothing is rendered.
        image_size: side of the images [px].

    Raises:
        SimError: the package is not installed, an unknown camera, or an action that is not four finite numbers.
        UnstableError: (a SimError) the simulation went unstable.
    """

    def __init__(self, name: str, cameras: Sequence[str] = (CAMERA,), image_size: int = 128) -> None:
        task, camera = split(name)
        check_cameras(cameras)
        environments = metaworld_module("env_dict").ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
        self._env = environments[f"{task.name}-goal-observable"](seed=0)
        self._env._freeze_rand_vec, self._env.seeded_rand_vec = False, True  # starts are those of the seed
        data = self._env.data
        self._qpos, self._qvel, self._force = data.qpos, data.qvel, data.qfrc_actuator  # to make a view takes a while
        self._camera = _make_camera(self._env.model, camera, image_size) if cameras else None
        self.action_space = gymnasium.spaces.Box(-ACTION_HIGH, ACTION_HIGH, dtype=np.float32)
        state = self._env.sawyer_observation_space
        self.observation_space = observation_space(cameras, image_size, 7, 1, state)  # type: ignore[assignment]

    @property
    def package_env(self) -> Any:
        """The environment of the package."""
        return self._env

    def package_step(self, action: np.ndarray) -> Any:
        """Run one control period in the package and return what it returns."""
        return self._env.step(action / ACTION_HIGH)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start the episode of a seed; the same seed gives the same episode in any process."""
        super().reset(seed=seed)
        self._env.seed(int(self.np_random.integers(2**31)) if seed is None else seed)
        state, _ = self._env.reset()
        return self._observation(state, self._settled()), self._info(False) | {"seed": seed, "draw": {"domain": DOMAIN}}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, Info]:
        """Run one control period; reward and success are the package's."""
        action = np.asarray(action, np.float32)
        if action.shape != (4,) or not isfinite(action.sum()):
            raise SimError(f"an action is four finite numbers (vx, vy, vz, gripper), got {action.tolist()}")
        state, reward, _, truncated, info = self.package_step(action)
        if self._env._did_see_sim_exception or not isfinite(self._qpos.sum()):
            raise UnstableError("the simulation went unstable; discard the episode")
        return (
            self._observation(state, self._env.data),
            float(reward),
            False,
            bool(truncated),
            self._info(bool(info["success"])),
        )

    def _settled(self) -> mujoco.MjData:
        """Return the package's data with all bodies where they are: it moves some after the last forward pass."""
        shown = copy(self._env.data)
        mujoco.mj_forward(self._env.model, shown)
        for name, position in self._env._target_site_config:  # as the package does after every step
            shown.site(name).xpos = position
        return shown

    def _observation(self, state: np.ndarray, shown: mujoco.MjData) -> Observation:
        """Return the observation with the package's own one as `state`, and images of `shown`."""
        velocity, force, pose = self._qvel[_ROBOT].copy(), self._force[_ROBOT].copy(), _DOWNWARD.copy()
        pose[:3] = state[:3]
        observation = {
            "joint_position": self._qpos[_ARM].copy(),
            "joint_velocity": velocity[_ARM],
            "joint_effort": force[_ARM],
            "gripper_position": state[3:4],
            "gripper_velocity": velocity[_FINGER],
            "gripper_effort": force[_FINGER],
            "tcp_pose": pose,
            "state": state,
        }
        if self._camera:
            observation[CAMERA] = self._camera.render(shown)
        return observation

    def _info(self, success: bool) -> Info:
        return {"success": success, "qpos": self._qpos.copy()}

    def close(self) -> None:
        """Free the renderer."""
        if self._camera:
            self._camera.close()


def _make_camera(model: mujoco.MjModel, name: str, size: int) -> FreeCamera:
    """Return the camera of that name, which looks at the middle of the table."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    camera = FreeCamera(model, size)
    camera.place(CAMERAS[name], data.body(LOOK_AT).xpos)
    return camera

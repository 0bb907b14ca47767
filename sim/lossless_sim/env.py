"""The RGB-stacking task as a Gymnasium environment."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np

from lossless_sim.actions import ACTION_HIGH, ACTION_LOW, NO_MOTION, check_action, check_joint_velocities
from lossless_sim.cell import CellCache
from lossless_sim.control import POSTURE, CartesianController, Command
from lossless_sim.domains import apply, load_domain
from lossless_sim.episode_rngs import EpisodeRngs
from lossless_sim.errors import UnstableError
from lossless_sim.initial_state import InitialState, write_initial_state
from lossless_sim.kinematics import solve_pose
from lossless_sim.latency import CommandLatency
from lossless_sim.render import CameraRenderer
from lossless_sim.rotations import downward
from lossless_sim.scene import names
from lossless_sim.scene.objects import check_triplet, sample_triplet
from lossless_sim.scene.physics import physics as physics_settings
from lossless_sim.sensing import CameraSensor, Proprioception, observation_space
from lossless_sim.state import StateObserver
from lossless_sim.success import stacked
from lossless_sim.timing import MAX_STEPS

Observation = dict[str, np.ndarray]
Info = dict[str, Any]
StepResult = tuple[Observation, float, bool, bool, Info]


class RgbStackingEnv(gymnasium.Env[Observation, np.ndarray]):
    """Stack the red object on the blue one with a Sawyer arm and a Robotiq 2F-85 gripper; 20 Hz, 20 s.

    Action: float32 (5,) vx, vy, vz [m/s] of the wrist in the base frame (x forward, y left, z up), wz [rad/s], and
    the gripper (> 0 closes at full speed, otherwise opens).

    Args:
        triplet: triplet1..triplet5, `train` or `heldout` (three objects sampled per episode), or e.g. r3-s0-b2.
        domain: look and behavior of the world: a name of config/domains or the path of a YAML file.
        physics: `fast`, or `reference` for the released environment's solver settings.
        cameras: any of basket_front_left, basket_front_right, basket_back_left; without any, nothing is rendered.
        image_size: side of the images [pixels].

    Raises:
        SimError: an unknown name; an action that is not five finite numbers within the limits.
        UnstableError: (a SimError) the simulation went unstable.
    """

    metadata = {"render_modes": []}

    def __init__(
        self,
        triplet: str = "triplet1",
        domain: str = "nominal",
        physics: str = "fast",
        cameras: Sequence[str] = ("basket_front_left", "basket_front_right"),
        image_size: int = 128,
    ) -> None:
        check_triplet(triplet)
        self._triplet = triplet
        self._domain = load_domain(domain)
        self._physics = physics_settings(physics)
        self._renderer = CameraRenderer(cameras, image_size)
        self._cells = CellCache(self._physics)
        self._steps = 0
        self.action_space = gymnasium.spaces.Box(ACTION_LOW, ACTION_HIGH, dtype=np.float32)
        self.observation_space = observation_space(self._renderer.names, image_size)  # type: ignore[assignment]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Start the episode of a seed; the same seed gives the same episode in any process."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        rngs = EpisodeRngs.of(seed)
        cell = self._cells.get(sample_triplet(self._triplet, rngs.initial))
        initial_state = cell.placer.sample(rngs.initial)
        sample = self._domain.sample(rngs.domain)
        self._cell, self._steps = cell, 0
        self._model = apply(cell.model, sample)
        self._data = mujoco.MjData(self._model)
        self._controller = CartesianController(self._model, cell.indices)
        self._observer = StateObserver(self._model, cell.indices)
        self._proprioception = Proprioception(sample, rngs.sensor)
        self._camera_sensor = CameraSensor(sample, rngs.camera)
        self._shadows = sample.lights.has_shadows
        self._latency = CommandLatency(float(sample.time.action_delay[0]), self._physics)
        self._renderer.load(self._model, assets=cell.model)
        self._set_initial_state(initial_state)
        command = self._controller.command(self._data, NO_MOTION)
        self._advance(command)
        info = self._info() | {"seed": seed, "draw": {"domain": self._domain.name, **sample.drawn}}
        return self._observation(command), info

    def _set_initial_state(self, initial_state: InitialState) -> None:
        data, indices = self._data, self._cell.indices
        arm = solve_pose(self._model, indices, initial_state.tcp, downward(initial_state.yaw), POSTURE)
        write_initial_state(data, indices, initial_state, arm)
        mass = self._model.body_mass[indices.robot_bodies, None]  # the robot's own controllers compensate gravity
        data.xfrc_applied[indices.robot_bodies, :3] = -self._model.opt.gravity * mass
        mujoco.mj_forward(self._model, data)
        self._observer.reset(data)

    def step(self, action: np.ndarray) -> StepResult:
        """Run one control period; the reward is 1.0 while red is stacked, and episodes never terminate early."""
        action = np.asarray(action, np.float32)
        check_action(action)
        return self._step(self._controller.command(self._data, action))

    def step_joints(self, velocities: np.ndarray, gripper: float) -> StepResult:
        """Run one control period with joint velocities (7,) [rad/s]; gripper > 0 closes."""
        check_joint_velocities(velocities)
        return self._step(self._controller.joint_command(self._data, velocities, gripper))

    def _step(self, command: Command) -> StepResult:
        self._advance(command)
        self._steps += 1
        info = self._info()
        return self._observation(command), float(info["success"]), False, self._steps >= MAX_STEPS, info

    def _advance(self, command: Command) -> None:
        """Send a command and simulate one control period; kinematics and contacts are up to date afterwards."""
        for active, substeps in self._latency.schedule(command):
            self._simulate(active, substeps)
        if self._data.warning.number.any() or not np.isfinite(self._data.qpos).all():
            raise UnstableError(f"the simulation went unstable at step {self._steps}; discard the episode")

    def _simulate(self, command: Command, substeps: int) -> None:
        """Run physics steps under a command, from up-to-date kinematics to up-to-date kinematics."""
        data, indices = self._data, self._cell.indices
        data.ctrl[indices.arm_ctrl] = command.joints
        data.ctrl[indices.finger_ctrl] = command.gripper
        mujoco.mj_step2(self._model, data)
        if substeps > 1:
            mujoco.mj_step(self._model, data, substeps - 1)
        mujoco.mj_step1(self._model, data)

    def _observation(self, command: Command) -> Observation:
        images = self._camera_sensor(self._renderer.render(self._model, self._data, self._shadows))
        proprioception = self._proprioception(self._data, self._cell.indices)
        return {**images, **proprioception, "state": self._observer(self._data, command)}

    def _info(self) -> Info:
        data, indices = self._data, self._cell.indices
        poses = {
            color: np.concatenate([data.xpos[body], data.xquat[body][[1, 2, 3, 0]]])
            for color, body in zip(names.COLORS, indices.objects, strict=True)
        }
        return {
            "success": stacked(data, indices),
            "objects": poses,
            "qpos": data.qpos.copy(),
            "triplet": self._cell.triplet,
        }

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

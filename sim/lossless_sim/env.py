"""The RGB-stacking task as a Gymnasium environment."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np

from lossless_sim.cell import Cell, CellCache
from lossless_sim.control import MAX_ANGULAR, MAX_LINEAR, CartesianController, Command
from lossless_sim.domains import apply, load_domain, values
from lossless_sim.domains.lag import Lag
from lossless_sim.errors import SimError, UnstableError
from lossless_sim.kinematics import solve_pose
from lossless_sim.render import Cameras, check_cameras
from lossless_sim.rotations import downward
from lossless_sim.scene import names
from lossless_sim.scene.objects import check_triplet, draw_triplet
from lossless_sim.scene.physics import CONTROL_PERIOD
from lossless_sim.scene.physics import physics as physics_settings
from lossless_sim.sensing import Pictures, Proprioception
from lossless_sim.start import Start, write_start
from lossless_sim.state import SIZE, StateObserver
from lossless_sim.success import stacked

MAX_STEPS = 400  # 20 s at 20 Hz (released environment)
ACTION_LOW = np.array([-MAX_LINEAR] * 3 + [-MAX_ANGULAR, -1.0], np.float32)
ACTION_HIGH = -ACTION_LOW
_ACTION_NAMES = ("vx", "vy", "vz", "wz", "gripper")
_ROUNDING = 1.0001  # float32 of a limit may lie a little over it
_NOTHING = np.array([0.0, 0.0, 0.0, 0.0, -1.0], np.float32)


class RgbStackingEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """Stack the red object on the blue one with a Sawyer and a Robotiq 2F-85 over a basket; 20 Hz, 20 s.

    Action: float32 (5,) vx, vy, vz of the wrist [m/s] in the base frame (x forward, y left, z up), wz [rad/s],
    and the gripper (> 0 closes at full speed, else opens).

    Args:
        triplet: triplet1..triplet5, `train` or `heldout` (three objects drawn per episode), or e.g. r3-s0-b2.
        domain: how the world looks and behaves: a name of config/domains or the path of a YAML file.
        physics: `fast`, or `reference` for the released environment's solver settings.
        cameras: of basket_front_left, basket_front_right, basket_back_left; none renders nothing.
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
        self._camera_names = check_cameras(cameras)
        self._image_size = image_size
        self._cells = CellCache(self._physics)
        self._cameras: Cameras | None = None
        self._rendered_cell: Cell | None = None
        self._steps = 0
        self.action_space = gymnasium.spaces.Box(ACTION_LOW, ACTION_HIGH, dtype=np.float32)
        self.observation_space = self._observation_space()  # type: ignore[assignment]  # its own stubs disagree

    def _observation_space(self) -> gymnasium.spaces.Dict:
        def box(size: int, dtype: type = np.float64) -> gymnasium.spaces.Box:
            return gymnasium.spaces.Box(-np.inf, np.inf, (size,), dtype)

        image = gymnasium.spaces.Box(0, 255, (self._image_size, self._image_size, 3), np.uint8)
        numbers = {
            "joint_position": box(7),
            "joint_velocity": box(7),
            "joint_effort": box(7),
            "gripper_position": box(1),
            "gripper_velocity": box(1),
            "gripper_effort": box(1),
            "tcp_pose": box(7),
            "state": box(SIZE, np.float32),
        }
        return gymnasium.spaces.Dict({**{name: image for name in self._camera_names}, **numbers})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin the episode of that seed; the same seed gives the same episode in any process."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        begin, look, sense, see = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
        cell = self._cells.get(draw_triplet(self._triplet, begin))
        start = cell.dropper.draw(begin)
        draw = self._domain.draw(look)
        self._cell, self._steps = cell, 0
        self._model = apply(cell.model, draw)
        self._data = mujoco.MjData(self._model)
        self._controller = CartesianController(self._model, cell.ids)
        self._observer = StateObserver(self._model, cell.ids)
        self._proprioception = Proprioception(draw, sense)
        self._pictures = Pictures(draw, see)
        self._shadows = values(draw, "lights")["shadows"][0] >= 0.5
        periods, rest = divmod(float(values(draw, "time")["action_delay"][0]), CONTROL_PERIOD)
        self._late = round(rest / self._physics.timestep)
        self._commands: Lag[Command] = Lag(int(periods))
        self._in_force: Command | None = None
        self._prepare_cameras()
        self._begin(start)
        command = self._advance(self._controller.command(self._data, _NOTHING))
        info = self._info() | {"seed": seed, "draw": {"domain": self._domain.name, **draw}}
        return self._observation(command), info

    def _begin(self, start: Start) -> None:
        data, ids = self._data, self._cell.ids
        rotation = downward(start.yaw)
        arm = solve_pose(self._model, ids, start.tool, rotation, self._cell.posture)
        write_start(data, ids, start, arm)
        mass = self._model.body_mass[ids.robot_bodies, None]  # carried by the robot's own controllers
        data.xfrc_applied[ids.robot_bodies, :3] = -self._model.opt.gravity * mass
        mujoco.mj_forward(self._model, data)
        self._observer.reset(data)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """One control period of 50 ms; reward 1.0 while red is stacked, never terminated, 400 steps."""
        action = np.asarray(action, np.float32)
        _check(action)
        return self._step(self._controller.command(self._data, action))

    def step_joints(
        self, joints: np.ndarray, gripper: float
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """The same with joint velocities (7,) [rad/s] instead of the hand's; gripper > 0 closes."""
        if np.shape(joints) != (7,) or not np.isfinite(joints).all():
            raise SimError(f"joint velocities are seven finite numbers, got {np.asarray(joints).tolist()}")
        return self._step(self._controller.joint_command(self._data, joints, gripper))

    def _step(self, command: Command) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        command = self._advance(command)
        self._steps += 1
        info = self._info()
        return self._observation(command), float(info["success"]), False, self._steps >= MAX_STEPS, info

    def _advance(self, command: Command) -> Command:
        """Hold a command for a control period; kinematics and contacts are fresh after it."""
        due = self._commands(command)
        late = 0 if self._in_force is None else self._late
        if self._in_force is not None and late:
            self._run(self._in_force, late)
        self._run(due, self._physics.substeps - late)
        self._in_force = due
        if self._data.warning.number.any() or not np.isfinite(self._data.qpos).all():
            raise UnstableError(f"the simulation went unstable at step {self._steps}; the episode cannot be used")
        return command

    def _run(self, command: Command, substeps: int) -> None:
        """Some physics steps under a command, each from fresh kinematics to fresh kinematics."""
        data, ids = self._data, self._cell.ids
        data.ctrl[ids.arm_ctrl] = command.joints
        data.ctrl[ids.finger_ctrl] = command.gripper
        mujoco.mj_step2(self._model, data)
        if substeps > 1:
            mujoco.mj_step(self._model, data, substeps - 1)
        mujoco.mj_step1(self._model, data)

    def _observation(self, command: Command) -> dict[str, np.ndarray]:
        observation = self._images()
        observation |= self._proprioception(self._data, self._cell.ids)
        observation["state"] = self._observer(self._data, command)
        return observation

    def _prepare_cameras(self) -> None:
        """Have the renderer know the episode's meshes and textures."""
        if not self._camera_names:
            return
        if self._cameras is None:
            self._cameras = Cameras(self._model, self._camera_names, self._image_size)
        elif self._rendered_cell is not self._cell:
            self._cameras.use(self._model)
        else:
            self._cameras.upload_textures(self._model)
        self._rendered_cell = self._cell

    def _images(self) -> dict[str, np.ndarray]:
        if self._cameras is None:
            return {}
        return self._pictures(self._cameras.render(self._model, self._data, self._shadows))

    def _info(self) -> dict[str, Any]:
        data, ids = self._data, self._cell.ids
        poses = {
            colour: np.concatenate([data.xpos[body], data.xquat[body][[1, 2, 3, 0]]])
            for colour, body in zip(names.COLOURS, ids.objects, strict=True)
        }
        return {"success": stacked(data, ids), "objects": poses, "triplet": self._cell.triplet}

    def close(self) -> None:
        """Free the renderer."""
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None


def _check(action: np.ndarray) -> None:
    """SimError for what is no action, before it touches the simulation."""
    if action.shape != (5,) or not np.isfinite(action).all():
        raise SimError(f"an action is five finite numbers ({', '.join(_ACTION_NAMES)}), got {action.tolist()}")
    outside = np.flatnonzero(np.abs(action) > _ROUNDING * ACTION_HIGH)
    if len(outside):
        first = int(outside[0])
        limit = ACTION_HIGH[first]
        raise SimError(f"action {_ACTION_NAMES[first]} is {action[first]:g}, expected {-limit:g} to {limit:g}")

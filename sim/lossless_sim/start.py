"""How an episode begins: the arm at a random pose, the objects dropped into the basket and settled."""

from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.errors import SimError
from lossless_sim.ids import Ids
from lossless_sim.rotations import uniform_quaternion
from lossless_sim.scene import names

OBJECT_LOW = np.array([0.50, -0.10, 0.12])  # where objects are dropped [m] (released environment)
OBJECT_HIGH = np.array([0.70, 0.10, 0.12])
TOOL_LOW = np.array([0.5, -0.14, 0.22])  # where the tool centre starts [m]
TOOL_HIGH = np.array([0.7, 0.14, 0.43])
TOOL_YAW = np.pi / 4  # at most, either way [rad]
SETTLE_TIME = 2.0  # at most [s]; the released environment always takes all of it
ATTEMPTS = 200
_REST_LINEAR = 2e-3  # [m/s] and [rad/s] under which an object rests
_REST_ANGULAR = 5e-2
_REST_TIME = 0.1  # for so long [s]


@dataclass(frozen=True)
class Start:
    """A drawn beginning: tool position (3,) [m], tool yaw [rad], poses (3, 7) of red, green, blue at rest."""

    tool: np.ndarray
    yaw: float
    objects: np.ndarray


class Dropper:
    """Drops the objects in a model of the basket alone, which is many times quicker than with the robot."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        joints = [model.joint(names.object_body(colour)) for colour in names.COLOURS]
        self._qpos = [int(joint.qposadr[0]) for joint in joints]
        self._geoms = [model.geom(names.object_body(colour)).id for colour in names.COLOURS]

    def draw(self, rng: np.random.Generator) -> Start:
        """A random start, from `rng` alone."""
        tool = rng.uniform(TOOL_LOW, TOOL_HIGH)
        yaw = float(rng.uniform(-TOOL_YAW, TOOL_YAW))
        mujoco.mj_resetData(self._model, self._data)
        for index, address in enumerate(self._qpos):
            self._data.qpos[address : address + 3] = (10.0 + index, 0.0, 1.0)  # out of the way until placed
        for address, geom in zip(self._qpos, self._geoms, strict=True):
            self._place(address, geom, rng)
        self._settle()
        return Start(tool, yaw, np.stack([self._data.qpos[a : a + 7] for a in self._qpos]))

    def _place(self, address: int, geom: int, rng: np.random.Generator) -> None:
        for _ in range(ATTEMPTS):
            self._data.qpos[address : address + 3] = rng.uniform(OBJECT_LOW, OBJECT_HIGH)
            self._data.qpos[address + 3 : address + 7] = uniform_quaternion(rng)
            mujoco.mj_fwdPosition(self._model, self._data)
            contact = self._data.contact
            if not (contact.geom[contact.dist <= 0] == geom).any():
                return
        raise SimError(f"no free place for an object in {ATTEMPTS} attempts")

    def _settle(self) -> None:
        model, data = self._model, self._data
        resting = 0.0
        while data.time < SETTLE_TIME and resting < _REST_TIME:
            mujoco.mj_step(model, data)
            speed = np.abs(data.qvel.reshape(3, 6))
            calm = speed[:, :3].max() < _REST_LINEAR and speed[:, 3:].max() < _REST_ANGULAR
            resting = resting + model.opt.timestep if calm else 0.0


def write_start(data: mujoco.MjData, ids: Ids, start: Start, arm: np.ndarray) -> None:
    """Put the arm at the angles (7,) and the objects where the start has them, all at rest."""
    data.qpos[ids.arm_qpos] = arm
    data.act[ids.arm_act] = arm
    for address, pose in zip(ids.object_qpos, start.objects, strict=True):
        data.qpos[address : address + 7] = pose

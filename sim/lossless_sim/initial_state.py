"""Initial states: the arm at a random pose, the objects dropped into the basket and settled."""

from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.errors import SimError
from lossless_sim.model_indices import ModelIndices
from lossless_sim.rotations import uniform_quaternion
from lossless_sim.scene import names

OBJECT_LOW = np.array([0.50, -0.10, 0.12])  # objects are dropped in this box [m] (released environment)
OBJECT_HIGH = np.array([0.70, 0.10, 0.12])
TCP_LOW = np.array([0.5, -0.14, 0.22])  # the TCP starts in this box [m]
TCP_HIGH = np.array([0.7, 0.14, 0.43])
MAX_YAW = np.pi / 4  # of the gripper, in either direction [rad]
MAX_SETTLE_TIME = 2.0  # [s]; the released environment always takes all of it
MAX_ATTEMPTS = 200  # to place an object without a collision
_PARKED = 10.0  # x position of objects that are not placed yet [m]
_REST_LINEAR = 2e-3  # speed below which an object rests [m/s]
_REST_ANGULAR = 5e-2  # and [rad/s]
_REST_TIME = 0.1  # for so long [s]


@dataclass(frozen=True)
class InitialState:
    """A sampled initial state.

    Attributes:
        tcp: position of the TCP (3,) [m].
        yaw: rotation of the gripper [rad].
        objects: poses (3, 7) of red, green, blue at rest: x, y, z [m], qw, qx, qy, qz.
    """

    tcp: np.ndarray
    yaw: float
    objects: np.ndarray


class ObjectPlacer:
    """Drops the objects in a model of the basket alone, which simulates much faster than the whole cell."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        joints = [model.joint(names.object_body(color)) for color in names.COLORS]
        self._qpos = [int(joint.qposadr[0]) for joint in joints]
        self._geoms = [model.geom(names.object_body(color)).id for color in names.COLORS]

    def sample(self, rng: np.random.Generator) -> InitialState:
        """Sample an initial state; it depends on `rng` alone.

        Raises:
            SimError: no collision-free place was found for an object.
        """
        tcp = rng.uniform(TCP_LOW, TCP_HIGH)
        yaw = float(rng.uniform(-MAX_YAW, MAX_YAW))
        mujoco.mj_resetData(self._model, self._data)
        for index, address in enumerate(self._qpos):
            self._data.qpos[address : address + 3] = (_PARKED + index, 0.0, 1.0)
        for address, geom in zip(self._qpos, self._geoms, strict=True):
            self._place(address, geom, rng)
        self._settle()
        return InitialState(tcp, yaw, np.stack([self._data.qpos[a : a + 7] for a in self._qpos]))

    def _place(self, address: int, geom: int, rng: np.random.Generator) -> None:
        """Move an object to a random pose where it touches nothing."""
        for _ in range(MAX_ATTEMPTS):
            self._data.qpos[address : address + 3] = rng.uniform(OBJECT_LOW, OBJECT_HIGH)
            self._data.qpos[address + 3 : address + 7] = uniform_quaternion(rng)
            mujoco.mj_fwdPosition(self._model, self._data)
            contact = self._data.contact
            if not (contact.geom[contact.dist <= 0] == geom).any():
                return
        raise SimError(f"no collision-free place for an object in {MAX_ATTEMPTS} attempts")

    def _settle(self) -> None:
        """Simulate until all objects rest."""
        model, data = self._model, self._data
        rest_time = 0.0
        while data.time < MAX_SETTLE_TIME and rest_time < _REST_TIME:
            mujoco.mj_step(model, data)
            speed = np.abs(data.qvel.reshape(3, 6))
            resting = speed[:, :3].max() < _REST_LINEAR and speed[:, 3:].max() < _REST_ANGULAR
            rest_time = rest_time + model.opt.timestep if resting else 0.0


def write_initial_state(data: mujoco.MjData, indices: ModelIndices, state: InitialState, arm: np.ndarray) -> None:
    """Set the joint angles of the arm (7,) [rad] and the poses of the objects; velocities stay as they are."""
    data.qpos[indices.arm_qpos] = arm
    data.act[indices.arm_act] = arm
    for address, pose in zip(indices.object_qpos, state.objects, strict=True):
        data.qpos[address : address + 7] = pose

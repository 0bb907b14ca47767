"""Indices into the arrays of a compiled model, looked up once."""

from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.scene import names


@dataclass(frozen=True)
class ModelIndices:
    """Positions of the cell's parts in the arrays of a MuJoCo model and its data.

    Attributes:
        arm_qpos, arm_dof, arm_ctrl, arm_act: of the arm's joints, each (7,).
        finger_qpos, finger_dof, finger_ctrl: of the gripper.
        wrist, pinch: sites of the wrist and of the TCP between the finger pads.
        robot_bodies: bodies of arm, wrist sensor and gripper.
        torque: z components of the joint torque sensors in sensordata (7,).
        force_xyz, torque_xyz: force and torque of the wrist sensor in sensordata.
        objects: bodies of red, green, blue (3,).
        object_qpos, object_dof: first addresses of their free joints (3,).
        object_geoms: their collision geoms (3,).
        fingertips: geoms of the two finger pads (2,).
        robot_geoms: mask (ngeom,) of the robot's geoms.
        table: geom of the ground plane under the basket.
    """

    arm_qpos: np.ndarray
    arm_dof: np.ndarray
    arm_ctrl: np.ndarray
    arm_act: np.ndarray
    finger_qpos: int
    finger_dof: int
    finger_ctrl: int
    wrist: int
    pinch: int
    robot_bodies: np.ndarray
    torque: np.ndarray
    force_xyz: slice
    torque_xyz: slice
    objects: np.ndarray
    object_qpos: np.ndarray
    object_dof: np.ndarray
    object_geoms: np.ndarray
    fingertips: np.ndarray
    robot_geoms: np.ndarray
    table: int

    @classmethod
    def of(cls, model: mujoco.MjModel) -> "ModelIndices":
        """Look up the indices in a model of `lossless_sim.scene`."""
        arm = [model.joint(name) for name in names.ARM_JOINTS]
        actuators = [model.actuator(name) for name in names.ARM_ACTUATORS]
        bodies = [model.body(i).name for i in range(model.nbody)]
        in_robot = np.array([name.startswith(names.ROBOT) for name in bodies])
        objects = [model.joint(names.object_body(color)) for color in names.COLORS]
        force = model.sensor(names.FORCE_SENSOR).adr[0]
        torque = model.sensor(names.TORQUE_SENSOR).adr[0]
        return cls(
            arm_qpos=np.array([joint.qposadr[0] for joint in arm]),
            arm_dof=np.array([joint.dofadr[0] for joint in arm]),
            arm_ctrl=np.array([actuator.id for actuator in actuators]),
            arm_act=np.array([actuator.actadr[0] for actuator in actuators]),
            finger_qpos=int(model.joint(names.FINGER_JOINT).qposadr[0]),
            finger_dof=int(model.joint(names.FINGER_JOINT).dofadr[0]),
            finger_ctrl=int(model.actuator(names.FINGER_ACTUATOR).id),
            wrist=int(model.site(names.WRIST_SITE).id),
            pinch=int(model.site(names.PINCH_SITE).id),
            robot_bodies=np.flatnonzero(in_robot),
            torque=np.array([model.sensor(name).adr[0] + 2 for name in names.TORQUE_SENSORS]),
            force_xyz=slice(force, force + 3),
            torque_xyz=slice(torque, torque + 3),
            objects=np.array([model.body(names.object_body(color)).id for color in names.COLORS]),
            object_qpos=np.array([joint.qposadr[0] for joint in objects]),
            object_dof=np.array([joint.dofadr[0] for joint in objects]),
            object_geoms=np.array([model.geom(names.object_body(color)).id for color in names.COLORS]),
            fingertips=np.array([model.geom(name).id for name in names.FINGERTIPS]),
            robot_geoms=in_robot[model.geom_bodyid],
            table=int(model.geom(names.TABLE).id),
        )

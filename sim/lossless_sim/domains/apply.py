"""Domain randomization of a model: a pure function (model, sample) -> model, one step per section."""

import copy

import mujoco
import numpy as np

from lossless_sim.domains.appearance import apply_appearance, remove_basket_texture
from lossless_sim.domains.parameters import CameraParameters, DynamicsParameters, LightParameters
from lossless_sim.domains.sample import DomainSample
from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene import names

_GRAVITY = 9.81  # [m/s^2]
_LIGHT_TARGET = np.array([0.6, 0.0, 0.05])  # the basket [m]


def apply(model: mujoco.MjModel, sample: DomainSample) -> mujoco.MjModel:
    """Return a copy of the model with the sampled look and dynamics; `model` is not changed."""
    model = copy.copy(model)
    if sample.appearance.basket_pattern[0] == 0:
        remove_basket_texture(model)
    if "appearance" in sample.drawn:
        apply_appearance(model, sample.appearance)
    if "lights" in sample.drawn:
        _apply_lights(model, sample.lights)
    if "cameras" in sample.drawn:
        _apply_cameras(model, sample.cameras)
    if "dynamics" in sample.drawn:
        _apply_dynamics(model, sample.dynamics)
    return model


def _apply_lights(model: mujoco.MjModel, lights: LightParameters) -> None:
    """Set the ceiling lamp, up to two more lamps, the headlight and the ambient light."""
    num_active = 1 + round(float(lights.extra[0]))
    positions = np.stack([lights.position_x, lights.position_y, lights.position_z], axis=1)
    for index, name in enumerate(names.LIGHTS):
        light = model.light(name)
        light.active[0] = index < num_active
        light.pos[:] = positions[index]
        if index:  # the ceiling lamp points straight down, the others at the basket
            to_target = _LIGHT_TARGET - positions[index]
            light.dir[:] = to_target / np.linalg.norm(to_target)
        warmth = lights.warmth[index]
        light.diffuse[:] = np.clip(lights.brightness[index] * np.array([1 + warmth, 1.0, 1 - warmth]), 0, 1)
    model.vis.headlight.ambient[:] = lights.ambient
    model.vis.headlight.diffuse[:] = lights.headlight


def _apply_cameras(model: mujoco.MjModel, cameras: CameraParameters) -> None:
    """Perturb the pose and the field of view of each camera."""
    for index, name in enumerate(names.CAMERAS):
        camera = model.camera(names.camera(name))
        rotation = quaternion_to_matrix(camera.quat)
        camera.pos[:] += rotation @ cameras.position.reshape(3, 3)[index]
        rotation_vector = np.deg2rad(cameras.orientation.reshape(3, 3)[index])
        angle = np.linalg.norm(rotation_vector)
        offset = np.append(np.cos(angle / 2), np.sinc(angle / 2 / np.pi) / 2 * rotation_vector)
        rotated = np.empty(4)
        mujoco.mju_mulQuat(rotated, camera.quat, offset)
        camera.quat[:] = rotated / np.linalg.norm(rotated)
        camera.fovy[:] += cameras.field_of_view[index]


def _apply_dynamics(model: mujoco.MjModel, dynamics: DynamicsParameters) -> None:
    """Set masses, friction, actuators, and the slope of the table (by the direction of gravity)."""
    for index, color in enumerate(names.COLORS):
        body = model.body(names.object_body(color))
        body.mass[:] *= dynamics.object_mass[index]
        body.inertia[:] *= dynamics.object_mass[index]
        model.geom(names.object_body(color)).friction[0] = dynamics.object_friction[index]
    for index in range(model.ngeom):
        geom = model.geom(index)
        if geom.name in names.FINGERTIPS or "collision_box" in geom.name:
            geom.friction[0] = dynamics.pad_friction[0]
        elif geom.name.startswith(names.BASKET_SURFACES):
            geom.friction[0] = dynamics.basket_friction[0]
    for name in names.ARM_JOINTS:
        model.dof_damping[model.joint(name).dofadr[0]] *= dynamics.joint_damping[0]
    for name in names.ARM_ACTUATORS:
        actuator = model.actuator(name)
        actuator.gainprm[0] *= dynamics.servo_stiffness[0]
        actuator.biasprm[1] *= dynamics.servo_stiffness[0]
    model.actuator(names.FINGER_ACTUATOR).forcerange[:] *= dynamics.gripper_force[0]
    x, y = np.deg2rad(dynamics.tilt)
    model.opt.gravity[:] = _GRAVITY * np.array([np.sin(y), -np.sin(x), -np.cos(x) * np.cos(y)])
    mujoco.mj_setConst(model, mujoco.MjData(model))

"""Drawn values into a model: a pure function (model, draw) -> model, section by section."""

import copy

import mujoco
import numpy as np

from lossless_sim.domains.domain import Draw, values
from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene import names

_GRAVITY = 9.81


def apply(model: mujoco.MjModel, draw: Draw) -> mujoco.MjModel:
    """A new model that looks and behaves as drawn; `model` stays as it is."""
    model = copy.copy(model)
    if values(draw, "appearance")["basket_pattern"][0] == 0:
        model.material(names.BASKET_MATERIAL).texid[:] = -1  # a white texture costs a fifth of an image
    if "appearance" in draw:
        _appearance(model, values(draw, "appearance"))
        _pattern(model, values(draw, "appearance"), draw)
    if "lights" in draw:
        _lights(model, values(draw, "lights"))
    if "cameras" in draw:
        _cameras(model, values(draw, "cameras"))
    if "dynamics" in draw:
        _dynamics(model, values(draw, "dynamics"))
    return model


def _appearance(model: mujoco.MjModel, v: dict[str, np.ndarray]) -> None:
    """Colours and gloss."""
    for index, colour in enumerate(names.COLOURS):
        geom = model.geom(f"{names.object_body(colour)}_visual")
        hue = {"red": 0.0, "green": 120.0, "blue": 240.0}[colour] + v["object_hue"][index]
        geom.rgba[:3] = _rgb(hue, v["object_saturation"][index], v["object_brightness"][index])
        model.material(names.object_body(colour)).specular[:] = v["object_gloss"][index]
    for index in range(model.ngeom):
        geom = model.geom(index)
        body = model.body(geom.bodyid[0]).name
        if body == names.BASKET_BODY:
            part = 0 if geom.rgba[0] < 0.6 else 1  # the plates that show are the darker ones
            geom.rgba[:3] = np.clip(geom.rgba[:3] * v["basket_brightness"][part] * v["basket_tint"], 0, 1)
        elif geom.name.endswith("fingertip_geom_visual"):
            geom.rgba[:3] *= v["pad_brightness"][0]
        elif body.startswith(names.ROBOT) and geom.group[0] < 3:
            geom.rgba[:3] = np.clip(geom.rgba[:3] * v["robot_brightness"][0], 0, 1)
    for index in range(model.nmat):
        material = model.material(index)
        if material.name.startswith(names.ROBOT):
            material.rgba[:3] = np.clip(material.rgba[:3] * v["robot_brightness"][0], 0, 1)
    model.material(names.BASKET_MATERIAL).specular[:] = v["basket_gloss"]
    model.material(names.TABLE_MATERIAL).rgba[:3] = np.clip(v["table_brightness"][0], 0, 1)


def _pattern(model: mujoco.MjModel, v: dict[str, np.ndarray], draw: Draw) -> None:
    """Wear on the basket, and the background's brightness; both are drawn pixels."""
    contrast = v["basket_pattern"][0]
    if contrast > 0:
        seed = np.frombuffer(np.asarray(draw["appearance"]["basket_pattern"]).tobytes(), np.uint32)
        texture = _texture(model, names.BASKET_TEXTURE)
        worn = _wear(np.random.default_rng(seed), texture.shape[0])
        texture[:] = np.clip(255 * (1 - contrast * worn), 0, 255)[..., None]
    sky = _texture(model, names.SKY_TEXTURE)
    sky[:] = np.clip(sky * v["background_brightness"][0], 0, 255)


def _wear(rng: np.random.Generator, side: int) -> np.ndarray:
    """Dust in soft patches and some straight scratches, (side, side) in 0 (clean) to 1; repeats without a seam."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * np.exp(-((frequency * 12.0) ** 2))
    dust = np.fft.irfft2(spectrum, (side, side))
    worn = 0.3 + 0.25 * dust / dust.std() + 0.1 * rng.standard_normal((side, side))
    for _ in range(int(rng.integers(4, 12))):
        along = np.arange(rng.uniform(0.2, 0.8) * side)
        turn, shade = rng.uniform(0, np.pi), rng.choice([-0.5, 0.5])
        line = rng.uniform(0, side, 2)[:, None] + along * np.array([[np.cos(turn)], [np.sin(turn)]])
        worn[tuple(line.astype(int) % side)] += shade
    return np.clip(worn, 0.0, 1.0)


def _texture(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Pixels (height, width, channels) of a texture, a view into the model."""
    texture = model.texture(name)
    height, width, channels = int(texture.height[0]), int(texture.width[0]), int(texture.nchannel[0])
    start = int(texture.adr[0])
    return model.tex_data[start : start + height * width * channels].reshape(height, width, channels)


def _lights(model: mujoco.MjModel, v: dict[str, np.ndarray]) -> None:
    """The ceiling's lamp, up to two more, the light from the camera, and the light from everywhere."""
    active = 1 + round(float(v["extra"][0]))
    target = np.array([0.6, 0.0, 0.05])
    for index, name in enumerate(names.LIGHTS):
        light = model.light(name)
        light.active[0] = index < active
        position = np.array([v[f"position_{axis}"][index] for axis in "xyz"])
        light.pos[:] = position
        if index:  # the ceiling's lamp looks straight down, the others at the basket
            light.dir[:] = (target - position) / np.linalg.norm(target - position)
        warm = v["warmth"][index]
        light.diffuse[:] = np.clip(v["brightness"][index] * np.array([1 + warm, 1.0, 1 - warm]), 0, 1)
    model.vis.headlight.ambient[:] = v["ambient"]
    model.vis.headlight.diffuse[:] = v["headlight"]


def _cameras(model: mujoco.MjModel, v: dict[str, np.ndarray]) -> None:
    """Where the cameras are, look, and how wide."""
    for index, name in enumerate(names.CAMERAS):
        camera = model.camera(names.camera(name))
        rotation = quaternion_to_matrix(camera.quat)
        camera.pos[:] += rotation @ v["position"].reshape(3, 3)[index]
        turn = np.deg2rad(v["orientation"].reshape(3, 3)[index])
        angle = np.linalg.norm(turn)
        step = np.append(np.cos(angle / 2), np.sinc(angle / 2 / np.pi) / 2 * turn)
        turned = np.empty(4)
        mujoco.mju_mulQuat(turned, camera.quat, step)
        camera.quat[:] = turned / np.linalg.norm(turned)
        camera.fovy[:] += v["field_of_view"][index]


def _dynamics(model: mujoco.MjModel, v: dict[str, np.ndarray]) -> None:
    """Masses, friction, motors, tilt of the table."""
    for index, colour in enumerate(names.COLOURS):
        body = model.body(names.object_body(colour))
        body.mass[:] *= v["object_mass"][index]
        body.inertia[:] *= v["object_mass"][index]
        model.geom(names.object_body(colour)).friction[0] = v["object_friction"][index]
    for index in range(model.ngeom):
        geom = model.geom(index)
        if geom.name in names.FINGERTIPS or "collision_box" in geom.name:
            geom.friction[0] = v["pad_friction"][0]
        elif geom.name.startswith(names.BASKET_SURFACES):
            geom.friction[0] = v["basket_friction"][0]
    for name in names.ARM_JOINTS:
        model.dof_damping[model.joint(name).dofadr[0]] *= v["joint_damping"][0]
    for name in names.ARM_ACTUATORS:
        actuator = model.actuator(name)
        actuator.gainprm[0] *= v["servo_stiffness"][0]
        actuator.biasprm[1] *= v["servo_stiffness"][0]
    model.actuator(names.FINGER_ACTUATOR).forcerange[:] *= v["gripper_force"][0]
    x, y = np.deg2rad(v["tilt"])
    model.opt.gravity[:] = _GRAVITY * np.array([np.sin(y), -np.sin(x), -np.cos(x) * np.cos(y)])
    mujoco.mj_setConst(model, mujoco.MjData(model))


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB (3,) of a hue [deg], saturation and value, each 0 to 1."""
    sector = (np.array([5.0, 3.0, 1.0]) + hue / 60.0) % 6.0
    s, v = np.clip([saturation, value], 0.0, 1.0)
    return v - v * s * np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)

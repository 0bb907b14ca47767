"""Colors, gloss and textures of a model."""

import colorsys

import mujoco
import numpy as np

from lossless_sim.domains.parameters import AppearanceParameters
from lossless_sim.scene import names

_HUES = {"red": 0.0, "green": 120.0, "blue": 240.0}  # [deg]


def remove_basket_texture(model: mujoco.MjModel) -> None:
    """Take the blank texture off the basket: it would add a fifth to the rendering time."""
    model.material(names.BASKET_MATERIAL).texid[:] = -1


def apply_appearance(model: mujoco.MjModel, appearance: AppearanceParameters) -> None:
    """Set the sampled colors, gloss and textures."""
    _color_objects(model, appearance)
    _color_surroundings(model, appearance)
    _draw_textures(model, appearance)


def _color_objects(model: mujoco.MjModel, appearance: AppearanceParameters) -> None:
    for index, color in enumerate(names.COLORS):
        geom = model.geom(f"{names.object_body(color)}_visual")
        hue = (_HUES[color] + appearance.object_hue[index]) / 360.0 % 1.0
        saturation = np.clip(appearance.object_saturation[index], 0.0, 1.0)
        brightness = np.clip(appearance.object_brightness[index], 0.0, 1.0)
        geom.rgba[:3] = colorsys.hsv_to_rgb(hue, saturation, brightness)
        model.material(names.object_body(color)).specular[:] = appearance.object_gloss[index]


def _color_surroundings(model: mujoco.MjModel, appearance: AppearanceParameters) -> None:
    """Color the basket, the robot, the finger pads and the table."""
    for index in range(model.ngeom):
        geom = model.geom(index)
        body = model.body(geom.bodyid[0]).name
        if body == names.BASKET_BODY:
            plate = 0 if geom.rgba[0] < 0.6 else 1  # the inner plates are the darker ones
            tint = geom.rgba[:3] * appearance.basket_brightness[plate] * appearance.basket_tint
            geom.rgba[:3] = np.clip(tint, 0, 1)
        elif geom.name.endswith("fingertip_geom_visual"):
            geom.rgba[:3] *= appearance.pad_brightness[0]
        elif body.startswith(names.ROBOT) and geom.group[0] < 3:
            geom.rgba[:3] = np.clip(geom.rgba[:3] * appearance.robot_brightness[0], 0, 1)
    for index in range(model.nmat):
        material = model.material(index)
        if material.name.startswith(names.ROBOT):
            material.rgba[:3] = np.clip(material.rgba[:3] * appearance.robot_brightness[0], 0, 1)
    model.material(names.BASKET_MATERIAL).specular[:] = appearance.basket_gloss
    model.material(names.TABLE_MATERIAL).rgba[:3] = np.clip(appearance.table_brightness[0], 0, 1)


def _draw_textures(model: mujoco.MjModel, appearance: AppearanceParameters) -> None:
    """Draw dust and scratches on the basket, and darken the background."""
    contrast = appearance.basket_pattern[0]
    if contrast > 0:
        seed = np.frombuffer(appearance.basket_pattern.tobytes(), np.uint32)
        texture = _texture_pixels(model, names.BASKET_TEXTURE)
        dirt = _dust_and_scratches(np.random.default_rng(seed), texture.shape[0])
        texture[:] = np.clip(255 * (1 - contrast * dirt), 0, 255)[..., None]
    sky = _texture_pixels(model, names.SKY_TEXTURE)
    sky[:] = np.clip(sky * appearance.background_brightness[0], 0, 255)


def _dust_and_scratches(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a seamless pattern (side, side) of soft dust and straight scratches, 0 (clean) to 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * np.exp(-((frequency * 12.0) ** 2))
    dust = np.fft.irfft2(spectrum, (side, side))
    pattern = 0.3 + 0.25 * dust / dust.std() + 0.1 * rng.standard_normal((side, side))
    for _ in range(int(rng.integers(4, 12))):
        along = np.arange(rng.uniform(0.2, 0.8) * side)
        angle, shade = rng.uniform(0, np.pi), rng.choice([-0.5, 0.5])
        line = rng.uniform(0, side, 2)[:, None] + along * np.array([[np.cos(angle)], [np.sin(angle)]])
        pattern[tuple(line.astype(int) % side)] += shade
    return np.clip(pattern, 0.0, 1.0)


def _texture_pixels(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Return the pixels (height, width, channels) of a texture as a view into the model."""
    texture = model.texture(name)
    height, width, channels = int(texture.height[0]), int(texture.width[0]), int(texture.nchannel[0])
    start = int(texture.adr[0])
    return model.tex_data[start : start + height * width * channels].reshape(height, width, channels)

"""Domain parameters: everything that a domain can randomize, with unit, size and nominal value.

Each section of a domain file is a frozen dataclass here; each field holds the values (size,) of one parameter and
defaults to the nominal world. `PARAMETERS` lists the same fields by section and name.
"""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

FACTOR = "1"  # unit of factors, shares and other dimensionless numbers


@dataclass(frozen=True)
class ParameterSpec:
    """Description of one parameter.

    Attributes:
        unit: unit of its ranges in domain files.
        size: number of independent values.
        nominal: value where a domain does not randomize it.
    """

    unit: str
    size: int
    nominal: float


def _parameter(unit: str, size: int, nominal: float) -> Any:
    spec = ParameterSpec(unit, size, nominal)
    return field(default_factory=lambda: np.full(size, nominal), metadata={"spec": spec})


@dataclass(frozen=True)
class AppearanceParameters:
    """Colors, gloss and textures; lists of three are red, green, blue."""

    object_hue: np.ndarray = _parameter("deg", 3, 0.0)  # shift on the color wheel
    object_saturation: np.ndarray = _parameter(FACTOR, 3, 1.0)  # factors of the colors' saturation
    object_brightness: np.ndarray = _parameter(FACTOR, 3, 1.0)  # factors of the colors' brightness
    object_gloss: np.ndarray = _parameter(FACTOR, 3, 0.5)  # specular reflection
    basket_brightness: np.ndarray = _parameter(FACTOR, 2, 1.0)  # factors of the inner plates and of those behind them
    basket_tint: np.ndarray = _parameter(FACTOR, 3, 1.0)  # factors of the color channels
    basket_gloss: np.ndarray = _parameter(FACTOR, 1, 0.5)  # specular reflection
    basket_pattern: np.ndarray = _parameter(FACTOR, 1, 0.0)  # contrast of dust and scratches
    robot_brightness: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    pad_brightness: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    table_brightness: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    background_brightness: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor


@dataclass(frozen=True)
class LightParameters:
    """Lamps (the ceiling lamp first, then up to two more), ambient light and shadows."""

    extra: np.ndarray = _parameter("lights", 1, 0.0)  # number of additional lamps, rounded
    position_x: np.ndarray = _parameter("m", 3, 0.0)  # forward from the robot's base
    position_y: np.ndarray = _parameter("m", 3, 0.0)  # left of the robot's base
    position_z: np.ndarray = _parameter("m", 3, 1.5)  # above the robot's base
    brightness: np.ndarray = _parameter(FACTOR, 3, 0.7)  # diffuse intensity
    warmth: np.ndarray = _parameter(FACTOR, 3, 0.0)  # raises red and lowers blue by this share
    ambient: np.ndarray = _parameter(FACTOR, 1, 0.3)  # intensity without direction
    headlight: np.ndarray = _parameter(FACTOR, 1, 0.6)  # light from the camera's position
    shadows: np.ndarray = _parameter("on", 1, 0.0)  # rounded: 1 is on

    @property
    def has_shadows(self) -> bool:
        return bool(self.shadows[0] >= 0.5)


@dataclass(frozen=True)
class CameraParameters:
    """Extrinsics, field of view and lens of the three cameras."""

    position: np.ndarray = _parameter("m", 9, 0.0)  # offsets along the camera axes
    orientation: np.ndarray = _parameter("deg", 9, 0.0)  # offsets about the camera axes
    field_of_view: np.ndarray = _parameter("deg", 3, 0.0)  # offsets
    distortion: np.ndarray = _parameter(FACTOR, 3, 0.0)  # radial, in units of half the image height; < 0 is barrel


@dataclass(frozen=True)
class ImageParameters:
    """Sensor and transport effects on images."""

    exposure: np.ndarray = _parameter("EV", 3, 0.0)  # of each camera
    white_balance: np.ndarray = _parameter(FACTOR, 2, 1.0)  # factors of red and blue
    gamma: np.ndarray = _parameter(FACTOR, 1, 1.0)  # exponent of the tone curve
    noise: np.ndarray = _parameter("levels", 1, 0.0)  # standard deviation, of 255
    blur: np.ndarray = _parameter("px", 3, 0.0)  # standard deviation
    jpeg_loss: np.ndarray = _parameter("%", 1, 0.0)  # 100 - quality


@dataclass(frozen=True)
class DynamicsParameters:
    """Masses, friction, actuators and the slope of the table."""

    object_mass: np.ndarray = _parameter(FACTOR, 3, 1.0)  # factors
    object_friction: np.ndarray = _parameter(FACTOR, 3, 0.5)  # sliding coefficients
    pad_friction: np.ndarray = _parameter(FACTOR, 1, 0.5)  # sliding coefficient
    basket_friction: np.ndarray = _parameter(FACTOR, 1, 1.0)  # sliding coefficient
    joint_damping: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    servo_stiffness: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    gripper_force: np.ndarray = _parameter(FACTOR, 1, 1.0)  # factor
    tilt: np.ndarray = _parameter("deg", 2, 0.0)  # of the table about x and y


@dataclass(frozen=True)
class RobotParameters:
    """Errors of the reported robot state."""

    tool_offset: np.ndarray = _parameter("m", 3, 0.0)  # error of the reported TCP (calibration)
    joint_noise: np.ndarray = _parameter("rad", 1, 0.0)  # standard deviation of reported joint positions
    gripper_backlash: np.ndarray = _parameter("rad", 1, 0.0)  # the reported finger angle lags by up to this


@dataclass(frozen=True)
class TimeParameters:
    """Latency and frame loss."""

    image_delay: np.ndarray = _parameter("s", 1, 0.0)  # mean; fractions of a control period appear as jitter
    action_delay: np.ndarray = _parameter("s", 1, 0.0)  # time until a command takes effect
    dropped_frames: np.ndarray = _parameter("probability", 1, 0.0)  # a camera repeats its last image


SECTIONS: dict[str, type] = {
    "appearance": AppearanceParameters,
    "lights": LightParameters,
    "cameras": CameraParameters,
    "image": ImageParameters,
    "dynamics": DynamicsParameters,
    "robot": RobotParameters,
    "time": TimeParameters,
}
PARAMETERS: dict[str, dict[str, ParameterSpec]] = {
    section: {entry.name: entry.metadata["spec"] for entry in fields(kind)} for section, kind in SECTIONS.items()
}

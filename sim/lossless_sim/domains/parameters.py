"""Everything that a domain may change: name, unit, how many numbers, and the nominal value.

A domain's YAML file gives ranges for some of these; the others stay nominal. `apply` of the sections turns
drawn values into a model; what each does to it is said there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One thing that can be drawn.

    Attributes:
        unit: that the ranges in YAML files must name.
        size: how many independent numbers are drawn.
        nominal: value where a domain says nothing.
    """

    unit: str
    size: int
    nominal: float


ONE = "1"  # unit of factors and shares
PARAMETERS: dict[str, dict[str, Parameter]] = {
    "appearance": {
        "object_hue": Parameter("deg", 3, 0.0),  # turn of red, green, blue on the colour wheel
        "object_saturation": Parameter(ONE, 3, 1.0),
        "object_brightness": Parameter(ONE, 3, 1.0),
        "object_gloss": Parameter(ONE, 3, 0.5),  # specular reflection
        "basket_brightness": Parameter(ONE, 2, 1.0),  # factors for the inner plates and for what is behind them
        "basket_tint": Parameter(ONE, 3, 1.0),  # factors of the colour channels
        "basket_gloss": Parameter(ONE, 1, 0.5),
        "basket_pattern": Parameter(ONE, 1, 0.0),  # contrast of dust and scratches
        "robot_brightness": Parameter(ONE, 1, 1.0),
        "pad_brightness": Parameter(ONE, 1, 1.0),
        "table_brightness": Parameter(ONE, 1, 1.0),
        "background_brightness": Parameter(ONE, 1, 1.0),
    },
    "lights": {
        "extra": Parameter("lights", 1, 0.0),  # rounded; up to two beside the ceiling's
        "position_x": Parameter("m", 3, 0.0),  # ceiling lamp first; z counts from the base's height
        "position_y": Parameter("m", 3, 0.0),
        "position_z": Parameter("m", 3, 1.5),
        "brightness": Parameter(ONE, 3, 0.7),
        "warmth": Parameter(ONE, 3, 0.0),  # red up and blue down by this share
        "ambient": Parameter(ONE, 1, 0.3),
        "headlight": Parameter(ONE, 1, 0.6),  # light from the camera itself
        "shadows": Parameter("on", 1, 0.0),  # rounded: 1 is on
    },
    "cameras": {
        "position": Parameter("m", 9, 0.0),  # offsets of the three cameras along their axes
        "orientation": Parameter("deg", 9, 0.0),  # offsets about their axes
        "field_of_view": Parameter("deg", 3, 0.0),  # offsets
        "distortion": Parameter(ONE, 3, 0.0),  # radial, in units of half the image height; < 0 is barrel
    },
    "image": {
        "exposure": Parameter("EV", 3, 0.0),
        "white_balance": Parameter(ONE, 2, 1.0),  # factors of red and blue
        "gamma": Parameter(ONE, 1, 1.0),
        "noise": Parameter("levels", 1, 0.0),  # standard deviation, of 255
        "blur": Parameter("px", 3, 0.0),  # standard deviation
        "jpeg_loss": Parameter("%", 1, 0.0),  # 100 - quality
    },
    "dynamics": {
        "object_mass": Parameter(ONE, 3, 1.0),  # factors
        "object_friction": Parameter(ONE, 3, 0.5),  # sliding coefficients
        "pad_friction": Parameter(ONE, 1, 0.5),
        "basket_friction": Parameter(ONE, 1, 1.0),
        "joint_damping": Parameter(ONE, 1, 1.0),  # factor
        "servo_stiffness": Parameter(ONE, 1, 1.0),  # factor
        "gripper_force": Parameter(ONE, 1, 1.0),  # factor
        "tilt": Parameter("deg", 2, 0.0),  # of the table about x and y
    },
    "robot": {
        "tool_offset": Parameter("m", 3, 0.0),  # error of the reported tool centre (calibration)
        "joint_noise": Parameter("rad", 1, 0.0),  # standard deviation of reported joint positions
        "gripper_backlash": Parameter("rad", 1, 0.0),  # the reported finger angle lags by up to this
    },
    "time": {
        "image_delay": Parameter("s", 1, 0.0),  # on average; between control periods the images jitter
        "action_delay": Parameter("s", 1, 0.0),
        "dropped_frames": Parameter("probability", 1, 0.0),  # a camera shows its last image again
    },
}

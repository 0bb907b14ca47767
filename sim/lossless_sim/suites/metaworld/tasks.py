"""Meta-World's tasks of the paper, each seen by one of three cameras."""

from dataclasses import dataclass

import numpy as np

DOMAIN = "nominal"  # the only one
MAX_SPEED = 0.8  # m/s: the package moves the hand by up to 1 cm per control period
ACTION_HIGH = np.array([MAX_SPEED] * 3 + [1.0], np.float32)
CONTROL_PERIOD, MAX_STEPS = 0.0125, 500


@dataclass(frozen=True)
class Task:
    """A task of the package `metaworld`: its name there, the class of its scripted expert, and what it is about."""

    name: str
    expert: str
    about: str


TASKS = {
    "assembly": Task("assembly-v3", "SawyerAssemblyV3Policy", "put a wrench over a peg"),
    "bin-picking": Task("bin-picking-v3", "SawyerBinPickingV3Policy", "move a cube from one bin to the other"),
    "button-press-topdown": Task("button-press-topdown-v3", "SawyerButtonPressTopdownV3Policy", "press a button"),
    "drawer-open": Task("drawer-open-v3", "SawyerDrawerOpenV3Policy", "open a drawer"),
    "hammer": Task("hammer-v3", "SawyerHammerV3Policy", "hammer a nail in"),
}

# Positions [m]; all look at the middle of the table. From R3M's evaluation (github.com/suraj-nair-1/metaworld, MIT).
CAMERAS = {
    "top_cap2": (0.0, 0.9, 0.6),
    "left_cap2": (-0.5, 0.0, 0.4),
    "right_cap2": (0.3, 0.0, 0.5),
}
LOOK_AT = "tablelink"  # body

NAMES = {f"{task}:{camera}": f"{entry.about}, camera {camera}" for task, entry in TASKS.items() for camera in CAMERAS}


def split(name: str) -> tuple[Task, str]:
    """Return the task and the camera of a name like hammer:left_cap2."""
    task, _, camera = name.partition(":")
    return TASKS[task], camera

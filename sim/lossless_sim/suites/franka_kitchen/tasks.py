"""The Franka Kitchen's tasks of the paper, each seen by one of three cameras."""

from dataclasses import dataclass

import numpy as np

from lossless_sim.suites.franka_kitchen.views import VIEWS

ARM = tuple(f"robot:panda0_joint{i}" for i in range(1, 8))
FINGERS = ("robot:panda0_finger_joint1", "robot:panda0_finger_joint2")
MAX_SPEED = 2.0  # rad/s: of each joint, in the package
MAX_FINGER_SPEED = 0.5  # m/s: opens or closes the hand within one control period
ACTION_HIGH = np.array([MAX_SPEED] * 7 + [MAX_FINGER_SPEED] * 2, np.float32)
CONTROL_PERIOD, MAX_STEPS = 0.08, 280  # both are the package's
SUCCESS_DISTANCE = 0.3  # the package's, in the joints' own units


@dataclass(frozen=True)
class Task:
    """A task of R3M's evaluation.

    Attributes:
        about: what it is about.
        element: the package's name of what is moved; None where the package has no such goal.
        joints: indices in qpos of the joints that the goal is about, the main one first.
        goal: positions of these joints [rad, m]. It is reached within SUCCESS_DISTANCE.
        handle: site of the package's model where the hand takes the moved part.
    """

    about: str
    element: str | None
    joints: tuple[int, ...]
    goal: tuple[float, ...]
    handle: str


TASKS = {
    # a goal of ours: the package's goal of the other knobs, for this one
    "knob1_on": Task("turn a knob of the stove", None, (9, 10), (-0.88, -0.01), "knob1_site"),
    "light_on": Task("turn the light on", "light switch", (17, 18), (-0.69, -0.05), "light_site"),
    "sdoor_open": Task("slide a cabinet open", "slide cabinet", (19,), (0.37,), "slide_site"),
    # a goal of ours: the package has one for both doors of the cabinet; the angle is that of the microwave's door
    "ldoor_open": Task("open the left door of a cabinet", None, (20,), (-0.75,), "hinge_site1"),
    "micro_open": Task("open the microwave", "microwave", (22,), (-0.75,), "microhandle_site"),
}

NAMES = {f"{task}:{camera}": f"{entry.about}, camera {camera}" for task, entry in TASKS.items() for camera in VIEWS}


def split(name: str) -> tuple[str, Task, str]:
    """Return the name of the task, the task and the camera of a name like micro_open:left_cap2."""
    task, _, camera = name.partition(":")
    return task, TASKS[task], camera


def is_solved(task: Task, qpos: np.ndarray) -> bool:
    """Return whether the goal is reached at MuJoCo's positions (nq,)."""
    return bool(np.linalg.norm(qpos[list(task.joints)] - task.goal) < SUCCESS_DISTANCE)

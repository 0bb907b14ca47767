"""Stages of stacking red on blue, from the true state of an episode."""

from typing import Any

import numpy as np

from lossless_sim.experts.privileged_state import PrivilegedState
from lossless_sim.scene.basket import FLOOR
from lossless_sim.success import ALIGNED

STAGES = ("reached", "grasped", "lifted", "above", "placed", "left")
NEAR = 0.03  # between the TCP and red's center: reached [m]
LIFTED = 0.02  # of red's lowest point above the basket's floor [m]
RESTS = 0.006  # between red's lowest and blue's highest point [m]
CLEAR = 0.05  # between the TCP and red's center: left [m]


def stages(observation: dict[str, np.ndarray], info: dict[str, Any]) -> list[str]:
    """Return the stages that hold at this step, in the order of `STAGES`.

    - reached: the TCP is within NEAR of red's center,
    - grasped: both pads are in contact while closing, with red between them,
    - lifted: red is grasped and LIFTED above the floor,
    - above: red is grasped and over blue, closer than ALIGNED and higher than blue's top,
    - placed: red lies on blue,
    - left: the task's success criterion holds with the TCP CLEAR of red.

    Args:
        observation: last observation of the environment; only `state` (292,) is used.
        info: last info of the environment.
    """
    state = PrivilegedState.of(observation, info)
    red, blue = state.objects["red"], state.objects["blue"]
    distance = float(np.linalg.norm(state.tcp - red.center))
    grasped = state.pads_in_contact and state.object_in_gripper() == "red"
    over_blue = float(np.linalg.norm(red.center[:2] - blue.center[:2])) < ALIGNED
    holds = {
        "reached": distance < NEAR,
        "grasped": grasped,
        "lifted": grasped and red.bottom > FLOOR + LIFTED,
        "above": grasped and over_blue and red.bottom > blue.top - RESTS,
        "placed": state.success or (over_blue and not grasped and abs(red.bottom - blue.top) < RESTS),
        "left": state.success and distance > CLEAR,
    }
    return [name for name in STAGES if holds[name]]

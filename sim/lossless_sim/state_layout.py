"""Layout of the released specialists' observation: 292 numbers, blocks in alphabetical order, newest values first."""

from dataclasses import dataclass

import numpy as np

FINGER_RANGE = 0.8  # joint angle of a closed finger [rad]
FINGER_UNITS = 255.0  # the same as the Robotiq reports it
NOT_GRASPED = 1  # values of the block gripper/grasp: no contact of both pads,
GRASPED = 2  # both pads in contact while closing,
GRASPED_WHILE_OPENING = 3  # and while opening


@dataclass(frozen=True)
class Block:
    """One block of the observation: name, number of past values, and size of each value."""

    key: str
    depth: int
    width: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.depth * self.width


LAYOUT = (
    Block("action/environment", 2, 8),
    Block("gripper/grasp", 3, 1),
    Block("gripper/joints/angle", 3, 1),
    Block("gripper/joints/velocity", 3, 1),
    Block("rgb30_blue/abs_pose", 3, 7),
    Block("rgb30_blue/to_pinch", 3, 7),
    Block("rgb30_green/abs_pose", 3, 7),
    Block("rgb30_green/to_pinch", 3, 7),
    Block("rgb30_red/abs_pose", 3, 7),
    Block("rgb30_red/to_pinch", 3, 7),
    Block("sawyer/joints/angle", 3, 7),
    Block("sawyer/joints/torque", 3, 7),
    Block("sawyer/joints/velocity", 3, 7),
    Block("sawyer/pinch/pose", 3, 7),
    Block("sawyer/tcp/pose", 3, 7),
    Block("sawyer/tcp/velocity", 3, 6),
    Block("wrist/force", 3, 3),
    Block("wrist/torque", 3, 3),
)
STATE_SIZE = sum(block.size for block in LAYOUT)


def history(state: np.ndarray, key: str) -> np.ndarray:
    """Return a view (depth, width) of one block of the observation (292,), newest values first."""
    start = 0
    for block in LAYOUT:
        if block.key == key:
            return state[start : start + block.size].reshape(block.depth, block.width)
        start += block.size
    raise KeyError(key)

"""What the scripted expert looks at."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_sim.experts.grasp import FINGER_HALF_WIDTH, FLOOR, MIDDLE, OPENING
from lossless_sim.experts.solid import Solid, solid
from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene import names
from lossless_sim.state import FINGER_RANGE

FINGERS_MEET = 0.785  # finger angle at which the pads meet [rad]
GRASPED = 2.0  # the gripper's flag: both pads touch something while closing
OBJECTS = (slice(25, 46), slice(67, 88), slice(109, 130))  # their poses, newest first, in the state vector
PINCH, LAST_JOINT, FINGER, FLAG = slice(214, 221), 157, 19, 16  # in the state vector, newest values
SPOTS = np.array([(x, y) for x in np.linspace(-0.06, 0.06, 9) for y in np.linspace(-0.06, 0.06, 9)])


@dataclass(frozen=True)
class View:
    """Objects in the world and their poses, tool centre (3,), closing direction [rad], wrist and finger [rad]."""

    solids: dict[str, Solid]
    poses: dict[str, np.ndarray]
    tool: np.ndarray
    yaw: float
    wrist: float
    finger: float
    touching: bool
    success: bool
    moving: bool

    @classmethod
    def of(cls, obs: dict[str, np.ndarray], info: dict[str, Any]) -> "View":
        """From what the environment returned last."""
        poses = info["objects"]
        shapes = dict(zip(names.COLOURS, info["triplet"], strict=True))
        state = obs["state"].astype(np.float64)  # true, where the other observations may be off
        pose = state[PINCH]
        closing = quaternion_to_matrix(pose[3:])[:, 1]
        return cls(
            solids={colour: solid(name).placed(poses[colour]) for colour, name in shapes.items()},
            poses=poses,
            tool=pose[:3],
            yaw=float(np.arctan2(closing[1], closing[0])),
            wrist=-float(state[LAST_JOINT]),
            finger=float(state[FINGER]) / 255.0 * FINGER_RANGE,
            touching=bool(state[FLAG] == GRASPED),
            success=bool(info["success"]),
            moving=_moving(state),
        )

    def turned(self, colour: str, pose: np.ndarray) -> float:
        """Angle between an object's orientation and that of a pose (7,) [rad]."""
        return float(2 * np.arccos(min(1.0, abs(float(self.poses[colour][3:] @ pose[3:])))))

    def others(self, colour: str) -> list[Solid]:
        """All objects but one."""
        return [other for name, other in self.solids.items() if name != colour]

    def between(self) -> str | None:
        """Colour of the object that the tool centre is in, or nearly so."""
        depth = {c: float((s.normals @ self.tool - s.offsets).max()) for c, s in self.solids.items()}
        nearest = min(depth, key=lambda colour: depth[colour])
        return nearest if depth[nearest] < 0.012 else None

    def clearance(self, colour: str) -> float:
        """Room between the pads and an object [m]; negative figures mean that they press on it."""
        closing = np.array([np.cos(self.yaw), np.sin(self.yaw), 0.0])
        across = np.array([-closing[1], closing[0], 0.0])
        points = self.solids[colour].surface - self.tool
        reach = np.abs(points @ closing)[np.abs(points @ across) < FINGER_HALF_WIDTH + 0.002].max(initial=0.0)
        return float(OPENING * (1.0 - self.finger / FINGERS_MEET) - reach)

    def rests_on(self, upper: str, lower: str) -> bool:
        """Whether one object lies on another, at least partly."""
        above, below = self.solids[upper], self.solids[lower]
        apart = np.linalg.norm(above.centre[:2] - below.centre[:2])
        return bool(above.bottom > FLOOR + 0.012 and above.centre[2] > below.top - 0.005 and apart < 0.06)

    def free_spot(self, colour: str) -> np.ndarray:
        """Where on the basket's floor (2,) there is room for an object [m]: far from the rest, near to it."""
        spots = MIDDLE + SPOTS
        others = np.array([other.centre[:2] for other in self.others(colour)])
        room = np.linalg.norm(spots[:, None] - others[None], axis=-1).min(axis=1)
        way = np.linalg.norm(spots - self.solids[colour].centre[:2], axis=1)
        off = np.linalg.norm(SPOTS, axis=1)
        return spots[np.argmin(way + off + 3.0 * np.maximum(0.0, 0.1 - room))]


def _moving(state: np.ndarray) -> bool:
    """An object went by more than a millimetre, or turned by more than a degree or so, in the last period."""
    step = np.array([state[block][:7] - state[block][7:14] for block in OBJECTS])
    turn = np.minimum(np.abs(step[:, 3:]).max(axis=1), 2.0)
    flipped = turn > 0.5  # the sign of a quaternion is arbitrary
    return bool((np.abs(step[:, :3]).max(axis=1) > 0.001).any() or ((turn > 0.008) & ~flipped).any())

"""Privileged state: the true state of objects and gripper, which the experts act on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_sim.experts.convex_polyhedron import ConvexPolyhedron, object_polyhedron
from lossless_sim.experts.gripper import FINGER_HALF_WIDTH, FINGERS_MEET, OPENING
from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene import names
from lossless_sim.scene.basket import CENTER, FLOOR
from lossless_sim.state_layout import FINGER_RANGE, FINGER_UNITS, GRASPED, history

IN_GRIPPER = 0.012  # distance of the TCP from an object that it still counts as being in [m]
# where objects can be set down, relative to the basket's center (81, 2) [m]
_SPOTS = np.array([(x, y) for x in np.linspace(-0.06, 0.06, 9) for y in np.linspace(-0.06, 0.06, 9)])


@dataclass(frozen=True)
class PrivilegedState:
    """True state of one control step.

    Attributes:
        objects: polyhedra in the world by color.
        poses: poses (7,) x, y, z [m], qx, qy, qz, qw by color.
        tcp: position of the TCP (3,) [m].
        yaw: closing direction in the world [rad].
        wrist_angle: rotation of the wrist about the world's z axis [rad].
        finger_angle: 0 (open) to about 0.8 (closed) [rad].
        pads_in_contact: both pads touch something while closing.
        success: red is stacked on blue.
        objects_moving: an object moved during the last control period.
    """

    objects: dict[str, ConvexPolyhedron]
    poses: dict[str, np.ndarray]
    tcp: np.ndarray
    yaw: float
    wrist_angle: float
    finger_angle: float
    pads_in_contact: bool
    success: bool
    objects_moving: bool

    @classmethod
    def of(cls, observation: dict[str, np.ndarray], info: dict[str, Any]) -> "PrivilegedState":
        """Read the state from the last return values of `env.reset` or `env.step`."""
        poses = info["objects"]
        shapes = dict(zip(names.COLORS, info["triplet"], strict=True))
        state = observation["state"].astype(np.float64)  # exact, whereas the other observations have sensor errors
        tcp_pose = history(state, "sawyer/pinch/pose")[0]
        closing = quaternion_to_matrix(tcp_pose[3:])[:, 1]
        finger_units = float(history(state, "gripper/joints/angle")[0, 0])
        return cls(
            objects={color: object_polyhedron(name).transformed(poses[color]) for color, name in shapes.items()},
            poses=poses,
            tcp=tcp_pose[:3],
            yaw=float(np.arctan2(closing[1], closing[0])),
            wrist_angle=-float(history(state, "sawyer/joints/angle")[0, -1]),
            finger_angle=finger_units / FINGER_UNITS * FINGER_RANGE,
            pads_in_contact=bool(history(state, "gripper/grasp")[0, 0] == GRASPED),
            success=bool(info["success"]),
            objects_moving=_objects_moving(state),
        )

    def rotation_since(self, color: str, pose: np.ndarray) -> float:
        """Return the angle between an object's orientation and that of a pose (7,) [rad]."""
        return float(2 * np.arccos(min(1.0, abs(float(self.poses[color][3:] @ pose[3:])))))

    def others(self, color: str) -> list[ConvexPolyhedron]:
        """Return all objects but one."""
        return [other for name, other in self.objects.items() if name != color]

    def object_in_gripper(self) -> str | None:
        """Return the color of the object at the TCP, or None."""
        distance = {
            color: float((shape.normals @ self.tcp - shape.offsets).max()) for color, shape in self.objects.items()
        }
        nearest = min(distance, key=lambda color: distance[color])
        return nearest if distance[nearest] < IN_GRIPPER else None

    def pad_clearance(self, color: str) -> float:
        """Return the gap between the pads and an object [m]; negative where they press on it."""
        closing = np.array([np.cos(self.yaw), np.sin(self.yaw), 0.0])
        across = np.array([-closing[1], closing[0], 0.0])
        points = self.objects[color].surface - self.tcp
        reach = np.abs(points @ closing)[np.abs(points @ across) < FINGER_HALF_WIDTH + 0.002].max(initial=0.0)
        return float(OPENING * (1.0 - self.finger_angle / FINGERS_MEET) - reach)

    def rests_on(self, upper: str, lower: str) -> bool:
        """Return whether one object lies on another, at least partly."""
        above, below = self.objects[upper], self.objects[lower]
        apart = np.linalg.norm(above.center[:2] - below.center[:2])
        return bool(above.bottom > FLOOR + 0.012 and above.center[2] > below.top - 0.005 and apart < 0.06)

    def free_spot(self, color: str) -> np.ndarray:
        """Return a place on the basket's floor (2,) [m] for an object: clear of the others, and close to it."""
        spots = CENTER + _SPOTS
        others = np.array([other.center[:2] for other in self.others(color)])
        room = np.linalg.norm(spots[:, None] - others[None], axis=-1).min(axis=1)
        distance = np.linalg.norm(spots - self.objects[color].center[:2], axis=1)
        off_center = np.linalg.norm(_SPOTS, axis=1)
        return spots[np.argmin(distance + off_center + 3.0 * np.maximum(0.0, 0.1 - room))]


def _objects_moving(state: np.ndarray) -> bool:
    """Return whether an object moved by over 1 mm, or turned by over about 1 degree, in the last control period."""
    poses = [history(state, f"rgb30_{color}/abs_pose") for color in names.COLORS]  # quaternions w first
    step = np.array([pose[0] - pose[1] for pose in poses])
    turn = np.minimum(np.abs(step[:, 3:]).max(axis=1), 2.0)
    sign_flipped = turn > 0.5  # q and -q are the same rotation
    return bool((np.abs(step[:, :3]).max(axis=1) > 0.001).any() or ((turn > 0.008) & ~sign_flipped).any())

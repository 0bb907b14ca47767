"""A closed-loop expert for stacking red on blue, from the true state.

What it does next follows from what it sees: red lies on blue -> open and rise; red is between the pads ->
carry it over blue and put it down; else -> go to the planned grasp, and close there. All motions are
proportional and saturated, and heights follow from the remaining distance (funnels), so that actions change
smoothly with the state.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_sim.control import MAX_LINEAR, WRIST_LIMIT
from lossless_sim.experts.grasp import OPENING, Grasp, plan
from lossless_sim.experts.solid import Solid, solid
from lossless_sim.rotations import quaternion_to_matrix
from lossless_sim.scene import names

GAIN = 4.0  # [1/s] of the approach to a target
TURN_GAIN = 4.0
APPROACH = 0.09  # height of the approach funnel [m]
CARRY = 0.03  # height of red's bottom over blue's top while carrying [m]
RELEASE = 0.0025  # gap under which red is let go [m]
RISE = 0.07  # how far over red the gripper leaves [m]
CEILING = 0.262  # of the tool centre [m]
OPEN, CLOSE = -1.0, 1.0
FINGERS_MEET = 0.785  # finger angle at which the pads meet [rad]
GRASPED = 2.0  # the gripper's flag: both pads touch something while closing


@dataclass(frozen=True)
class View:
    """What the expert looks at: objects in the world, tool centre (3,), closing direction [rad], gripper."""

    red: Solid
    green: Solid
    blue: Solid
    red_pose: np.ndarray
    tool: np.ndarray
    yaw: float
    wrist: float
    finger: float
    touching: bool

    @classmethod
    def of(cls, obs: dict[str, np.ndarray], info: dict[str, Any]) -> "View":
        """From what the environment returned last."""
        solids = [
            solid(name).placed(info["objects"][colour])
            for colour, name in zip(names.COLOURS, info["triplet"], strict=True)
        ]
        pose = obs["tcp_pose"]
        closing = quaternion_to_matrix(pose[[6, 3, 4, 5]])[:, 1]
        return cls(
            *solids,
            red_pose=info["objects"]["red"],
            tool=pose[:3],
            yaw=float(np.arctan2(closing[1], closing[0])),
            wrist=float(-obs["joint_position"][6]),
            finger=float(obs["gripper_position"][0]),
            touching=bool(obs["state"][16] == GRASPED),
        )


    def clearance(self) -> float:
        """Room between the pads and red [m]; negative figures mean that the pads press on it."""
        closing = np.array([np.cos(self.yaw), np.sin(self.yaw), 0.0])
        reach = np.abs((self.red.vertices - self.tool) @ closing).max()
        return float(OPENING * (1.0 - self.finger / FINGERS_MEET) - reach)


class ScriptedExpert:
    """Stacks red on blue; remembers only the grasp it is going for and the ones that failed."""

    def __init__(self, triplet: str, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.reset()

    def reset(self) -> None:
        """Begin another episode."""
        self._grasp: Grasp | None = None
        self._pose = np.zeros(7)
        self._failed: list[Grasp] = []
        self._touched = 0
        self._closing = 0
        self._released = False

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """The action (5,) float32 for what the environment returned last."""
        view = View.of(obs, info)
        self._touched = self._touched + 1 if view.touching else 0
        if info["success"] or self._on_blue(view):
            return self._leave(view)
        if self._touched >= 3 and self._red_between(view):
            return self._carry(view)
        return self._fetch(view)

    def _on_blue(self, view: View) -> bool:
        """Red is where it belongs: over blue, its bottom at blue's top (not so strictly once let go)."""
        apart = np.linalg.norm(view.red.centre[:2] - view.blue.top_centre())
        gap = view.red.bottom - view.blue.top
        if self._released:
            return bool(apart < 0.04 and abs(gap) < 0.012)
        return bool(apart < 0.012 and abs(gap) < RELEASE)

    @staticmethod
    def _red_between(view: View) -> bool:
        """The tool centre is in red, or nearly so."""
        return bool((view.red.normals @ view.tool - view.red.offsets).max() < 0.012)

    def _leave(self, view: View) -> np.ndarray:
        """Open, and rise once the pads are off."""
        self._grasp, self._closing, self._released = None, 0, True
        goal = min(CEILING, view.red.top + RISE)
        free = np.clip((view.clearance() - 0.003) / 0.005, 0.0, 1.0)
        return _action(np.array([0.0, 0.0, (goal - view.tool[2]) * free]), 0.0, OPEN)

    def _carry(self, view: View) -> np.ndarray:
        """Over blue, then down, then let go."""
        self._released = False
        goal = view.blue.top_centre()
        offset = goal - view.red.centre[:2]
        distance = float(np.linalg.norm(offset))
        gap = view.red.bottom - view.blue.top
        over = CARRY + self._over_green(view, goal)
        wanted = over * min(1.0, max(0.0, distance - 0.004) / 0.03)
        lift = wanted - gap
        if distance < 0.012:
            lift = min(lift, -0.01)
        near = np.clip((0.16 - distance) / 0.06, 0.0, 1.0)
        speed = 1.0 - near * np.clip((wanted - gap - 0.01) / 0.02, 0.0, 1.0)
        return _action(np.append(offset * speed, lift), 0.0, CLOSE)

    @staticmethod
    def _over_green(view: View, goal: np.ndarray) -> float:
        """How much higher to carry so that green, if it is on the way, is cleared [m]."""
        start = view.red.centre[:2]
        way = goal - start
        length = float(np.linalg.norm(way))
        if length < 1e-6:
            return 0.0
        along = np.clip((view.green.centre[:2] - start) @ way / length, 0.0, length)
        aside = np.linalg.norm(start + way / length * along - view.green.centre[:2])
        return max(0.0, view.green.top - view.blue.top) if aside < 0.09 else 0.0

    def _fetch(self, view: View) -> np.ndarray:
        """Go to the grasp and close there."""
        self._released = False
        if self._needs_plan(view):
            self._plan(view)
        if self._grasp is None:
            return self._look_again(view)
        turn = self._turn(view)
        offset = self._grasp.position + (view.red_pose - self._pose)[:3] - view.tool
        distance = float(np.linalg.norm(offset[:2]))
        error = distance + 0.04 * abs(turn)
        inside = 0.015 if self._closing else 0.005
        if error < inside and abs(offset[2]) < inside:
            return self._close(view, offset, turn)
        self._closing = 0
        above = min(APPROACH, 2.5 * max(0.0, error - 0.004))
        rise = offset[2] + above
        speed = 1.0 - np.clip((rise - 0.01) / 0.03, 0.0, 1.0)
        return _action(np.append(offset[:2] * speed, rise), turn, OPEN)

    def _close(self, view: View, offset: np.ndarray, turn: float) -> np.ndarray:
        """Close on the spot; give the grasp up when the fingers meet."""
        self._closing += 1
        if self._closing > 30 or view.finger > 0.77:
            assert self._grasp is not None
            self._failed.append(self._grasp)
            self._grasp, self._closing = None, 0
            return _action(np.array([0.0, 0.0, 0.05]), 0.0, OPEN)
        return _action(offset, turn, CLOSE)

    def _needs_plan(self, view: View) -> bool:
        if self._grasp is None:
            return True
        if self._closing:
            return False
        moved = np.linalg.norm(view.red_pose[:3] - self._pose[:3])
        turned = 2 * np.arccos(min(1.0, abs(float(view.red_pose[3:] @ self._pose[3:]))))
        return bool(moved > 0.015 or turned > 0.06)

    def _plan(self, view: View) -> None:
        self._grasp = plan(view.red, [view.green, view.blue], view.yaw, self._failed[-4:])
        self._pose = view.red_pose.copy()

    def _look_again(self, view: View) -> np.ndarray:
        """No grasp fits: nudge red towards the middle of the basket from above, then look again."""
        self._failed.clear()
        return _action(np.array([0.0, 0.0, 0.05]), 0.0, OPEN)

    def _turn(self, view: View) -> float:
        """Angle to turn by [rad], the short way that the wrist can go."""
        assert self._grasp is not None
        short = (self._grasp.yaw - view.yaw + np.pi / 2) % np.pi - np.pi / 2
        limit = WRIST_LIMIT - 0.02
        if view.wrist + short > limit:
            short -= np.pi
        elif view.wrist + short < -limit:
            short += np.pi
        return float(short)


def _action(way: np.ndarray, turn: float, gripper: float) -> np.ndarray:
    """Action (5,) that covers a way (3,) [m] and a turn [rad] proportionally, within the speed limits."""
    velocity = GAIN * way
    norm = float(np.linalg.norm(velocity))
    if norm > MAX_LINEAR:
        velocity = velocity * (MAX_LINEAR / norm)
    return np.append(velocity, [np.clip(TURN_GAIN * turn, -1.0, 1.0), gripper]).astype(np.float32)

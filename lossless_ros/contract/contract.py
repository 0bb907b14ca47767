"""The contract: what a policy observes and commands. Shared by simulator, bags, trainer and inference node."""

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract.config import from_mapping, load_yaml
from lossless_ros.contract.names import check_text, check_topic_name
from lossless_ros.contract.size_limits import MAX_CAMERA_SIZE, MAX_CAMERAS, MAX_PROPRIOCEPTION
from lossless_ros.paths import find_config

TWIST_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")
JOINT_STATES = "joint_states"
TCP_POSE = "tcp_pose"
TWIST_TOPIC = "servo_node/delta_twist_cmds"
GRIPPER_TOPIC = "gripper_controller/commands"
VELOCITY_TOPIC = "velocity_controller/commands"
TRAJECTORY_TOPIC = "arm_controller/joint_trajectory"
TOOL, JOINTS = ACTION_SPACES = ("tool", "joints")  # what an action's velocities move
MAX_HISTORY_S = 2.0
POSITION_DIM = 3
POSE_DIM = 9  # position and the first two columns of the rotation matrix: no sign ambiguity as in a quaternion


@dataclass(frozen=True)
class Camera:
    """A camera stream and its image size in the policy [px].

    A sample up to `slop_s` [s] older than a frame is used at once, without waiting for a closer one.
    """

    name: str
    width: int
    height: int
    slop_s: float = 0.02

    def __post_init__(self) -> None:
        check_topic_name("camera name", self.name)
        size = f"camera '{self.name}' is {self.width}x{self.height}, expected at "
        if min(self.width, self.height) < 1:
            raise ValueError(f"{size}least 1x1")
        if max(self.width, self.height) > MAX_CAMERA_SIZE:
            raise ValueError(f"{size}most {MAX_CAMERA_SIZE}x{MAX_CAMERA_SIZE}")

    @property
    def topic(self) -> str:
        return f"{self.name}/image_raw"


@dataclass(frozen=True)
class Proprioception:
    """A part of the proprioception: positions of named joints [rad], or the pose of the tool center.

    Attributes:
        history_s: how long before the frame the same values are also taken [s], for example 0.1 and 0.2.
        orientation: whether the pose has an orientation; without it, it is the position only.
    """

    stream: str
    names: tuple[str, ...] = ()
    slop_s: float = 0.01
    history_s: tuple[float, ...] = ()
    orientation: bool = True

    def __post_init__(self) -> None:
        if self.stream not in (JOINT_STATES, TCP_POSE):
            raise ValueError(f"stream is '{self.stream}', expected {JOINT_STATES} or {TCP_POSE}")
        if bool(self.names) != (self.stream == JOINT_STATES):
            raise ValueError(f"{JOINT_STATES} needs joint names and {TCP_POSE} has none")
        for name in self.names:
            check_text("joint name", name)
        for age in self.history_s:
            if not 0 < age <= MAX_HISTORY_S:
                raise ValueError(f"history_s of {self.stream} has {age}, expected more than 0, at most {MAX_HISTORY_S}")

    @property
    def dim(self) -> int:
        """Number of values: those at the frame, then those of each entry of `history_s`."""
        return self.values * (1 + len(self.history_s))

    @property
    def values(self) -> int:
        """Number of values at one instant."""
        if self.stream == JOINT_STATES:
            return len(self.names)
        return POSE_DIM if self.orientation else POSITION_DIM


@dataclass(frozen=True)
class Axis:
    """What a velocity moves, and its largest magnitude [m/s or rad/s].

    Attributes:
        axis: a component of the twist, or the name of a joint.
        prismatic: whether the joint slides, so that its velocity is in m/s.
    """

    axis: str
    limit: float
    prismatic: bool = False

    def __post_init__(self) -> None:
        check_text("axis", self.axis)
        if not 0 < self.limit < float("inf"):
            raise ValueError(f"limit of {self.axis} is {self.limit}, expected more than 0")

    @property
    def unit(self) -> str:
        is_linear = self.prismatic or self.axis in TWIST_AXES[:3]
        return "m/s" if is_linear else "rad/s"

    def check_space(self, space: str) -> None:
        """Check that the axis exists in an action space.

        Raises:
            ValueError: it does not.
        """
        is_twist = self.axis in TWIST_AXES
        if space == TOOL and not is_twist:
            raise ValueError(
                f"axis is '{self.axis}', expected one of {', '.join(TWIST_AXES)}; joints need space: joints"
            )
        if space == TOOL and self.prismatic:
            raise ValueError(f"axis {self.axis} is prismatic, which only a joint can be (space: joints)")
        if space == JOINTS and is_twist:
            raise ValueError(f"axis is '{self.axis}', expected the name of a joint in space: joints")


@dataclass(frozen=True)
class Gripper:
    """Commands of the open and the closed gripper [rad of the finger joint]."""

    open: float
    closed: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.open) and math.isfinite(self.closed)):
            raise ValueError(f"gripper is open at {self.open} and closed at {self.closed}, expected finite numbers")
        if self.open == self.closed:
            raise ValueError(f"gripper open and closed are both {self.open}")

    def command_at(self, opening: float) -> float:
        """Return the command for a gripper position from -1 (open) to 1 (closed)."""
        return self.open + (self.closed - self.open) * (opening + 1) / 2

    def opening(self, command: float) -> float:
        """Return the position from -1 (open) to 1 (closed) of a command."""
        return 2 * (command - self.open) / (self.closed - self.open) - 1

    def action(self, command: float) -> float:
        """Return +1 (closes) or -1 (opens), whichever end a commanded position is closer to."""
        return 1.0 if abs(command - self.closed) < abs(command - self.open) else -1.0


def open_or_close(output: float) -> float:
    """Return 1 (closed) for a policy's output above 0, else -1 (open)."""
    return 1.0 if output > 0 else -1.0


@dataclass(frozen=True)
class Action:
    """The policy's output: velocities along `axes`, then the gripper in [-1, 1] if the contract has one.

    The gripper either opens or closes (the sign of its output); a `continuous_gripper` goes to any command between open
    (-1) and closed (1).

    Attributes:
        frame_id: frame of the tool's velocities and of its pose.
        axes: of the tool, or joints.
        gripper: commands of a gripper that is not among the joints; None without one.
        space: one of ACTION_SPACES.
    """

    frame_id: str
    axes: tuple[Axis, ...]
    gripper: Gripper | None = None
    continuous_gripper: bool = False
    space: str = TOOL

    def __post_init__(self) -> None:
        check_text("frame_id", self.frame_id)
        if self.space not in ACTION_SPACES:
            raise ValueError(f"space is '{self.space}', expected {' or '.join(ACTION_SPACES)}")
        for axis in self.axes:
            axis.check_space(self.space)
        names = [axis.axis for axis in self.axes]
        if len(set(names)) != len(names):
            raise ValueError(f"axes are {names[:7]}, expected each once")
        if self.gripper is None and not names:
            raise ValueError("the action has no axes and no gripper, expected at least one of them")
        if self.gripper is None and self.continuous_gripper:
            raise ValueError(
                "continuous_gripper is true, but there is no gripper; add gripper: {open: ..., closed: ...}"
            )

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints that are commanded; empty for velocities of the tool."""
        return tuple(axis.axis for axis in self.axes) if self.space == JOINTS else ()

    @property
    def dim(self) -> int:
        return len(self.axes) + (self.gripper is not None)

    @property
    def names(self) -> tuple[str, ...]:
        return (*(a.axis for a in self.axes), *(() if self.gripper is None else ("gripper",)))

    def twist(self, velocity: np.ndarray) -> np.ndarray:
        """Return velocities along the axes (A,) as a twist (6,): linear x, y, z [m/s], angular x, y, z [rad/s]."""
        twist = np.zeros(6)
        twist[[TWIST_AXES.index(a.axis) for a in self.axes]] = velocity
        return twist

    def gripper_target(self, output: float) -> float:
        """Return where the gripper goes for the policy's output: -1 (open) to 1 (closed)."""
        if self.continuous_gripper:
            return min(max(output, -1.0), 1.0)
        return open_or_close(output)

    def gripper_output(self, command: float, gripper: Gripper) -> float:
        """Return the policy's output for a command of a gripper, the inverse of `gripper_target`."""
        if self.continuous_gripper:
            return gripper.opening(command)
        return gripper.action(command)

    @property
    def limits(self) -> tuple[float, ...]:
        """Largest magnitude of each output (dim,): m/s, rad/s, and 1 for the gripper."""
        return (*self.speed_limits, *(() if self.gripper is None else (1.0,)))

    @property
    def speed_limits(self) -> tuple[float, ...]:
        """Largest speed along each axis (A,): m/s, rad/s."""
        return tuple(a.limit for a in self.axes)


@dataclass(frozen=True)
class Contract:
    """Cameras, proprioception, action, rate [Hz] and timing [s] of a policy.

    Attributes:
        max_skew_s: largest time between a frame and a sample that belongs to it.
        max_age_s: data older than this stops the robot.
    """

    name: str
    rate_hz: float
    cameras: tuple[Camera, ...]
    proprioception: tuple[Proprioception, ...]
    action: Action
    max_skew_s: float = 0.05
    max_age_s: float = 0.2

    def __post_init__(self) -> None:
        check_text("name", self.name)
        names = [c.name for c in self.cameras]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"cameras are {names[:MAX_CAMERAS]}, expected at least one and each once")
        if len(names) > MAX_CAMERAS:
            raise ValueError(f"{len(names)} cameras, expected at most {MAX_CAMERAS}")
        if self.proprioception_dim > MAX_PROPRIOCEPTION:
            raise ValueError(
                f"proprioception has {self.proprioception_dim} values, expected at most {MAX_PROPRIOCEPTION}"
            )
        if not 0 < self.rate_hz <= 1000:
            raise ValueError(f"rate_hz is {self.rate_hz}, expected more than 0 and at most 1000")
        for slop_s in (*(c.slop_s for c in self.cameras), *(p.slop_s for p in self.proprioception)):
            if not 0 <= slop_s <= self.max_skew_s:
                raise ValueError(f"slop_s is {slop_s}, expected 0 to max_skew_s ({self.max_skew_s})")
        for name, value in (("max_skew_s", self.max_skew_s), ("max_age_s", self.max_age_s)):
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}, expected seconds")
        if self.max_age_s < 1 / self.rate_hz:
            raise ValueError(f"max_age_s is {self.max_age_s}, expected at least one period ({1 / self.rate_hz})")
        unseen = [name for name in self.action.joints if name not in self.joints()]
        if unseen:
            raise ValueError(
                f"action commands joint '{unseen[0]}', which is not observed; add it to the names of {JOINT_STATES} in "
                "proprioception"
            )

    @property
    def period_ns(self) -> int:
        return round(1e9 / self.rate_hz)

    @property
    def proprioception_dim(self) -> int:
        return sum(p.dim for p in self.proprioception)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams: cameras, then proprioceptive streams, each once."""
        return (*(c.name for c in self.cameras), *dict.fromkeys(p.stream for p in self.proprioception))

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return what may come in messages of its own: the joints of `joint_states`, "" for the whole of a stream."""
        joints = dict.fromkeys(name for p in self.proprioception if p.stream == stream for name in p.names)
        return tuple(joints) or ("",)

    def joints(self) -> dict[str, int]:
        """Return the index in the proprioception of each joint's position."""
        found: dict[str, int] = {}
        offset = 0
        for part in self.proprioception:
            found |= {name: offset + i for i, name in enumerate(part.names)}
            offset += part.dim
        return found

    def with_joints(self, names: Iterable[str]) -> "Contract":
        """Return the contract with those of the joints that it lacks added at the end of its proprioception."""
        known = self.joints()
        added = tuple(name for name in dict.fromkeys(names) if name not in known)
        if not added:
            return self
        return dataclasses.replace(self, proprioception=(*self.proprioception, Proprioception(JOINT_STATES, added)))

    def offset(self, stream: str) -> int | None:
        """Return the index in the proprioception of a stream's first value, None without the stream."""
        offset = 0
        for part in self.proprioception:
            if part.stream == stream:
                return offset
            offset += part.dim
        return None

    def slop_ns(self, stream: str) -> int:
        """Return the age up to which a stream's sample counts as simultaneous with a frame [ns]."""
        slops = [c.slop_s for c in self.cameras if c.name == stream]
        slops += [p.slop_s for p in self.proprioception if p.stream == stream]
        return round(min(slops) * 1e9)

    def history_ns(self, stream: str) -> int:
        """Return how long before a frame values of a stream are used [ns]."""
        ages = [age for p in self.proprioception if p.stream == stream for age in p.history_s]
        return round(max(ages, default=0.0) * 1e9)

    def topic(self, stream: str) -> str:
        """Return the relative topic name of a stream."""
        return next((c.topic for c in self.cameras if c.name == stream), stream)

    def to_json(self) -> str:
        """Return the contract as JSON, without fields that joint actions added and that have their default.

        So the JSON of a contract of the tool, and every hash of it, is what it was before there were others.
        """
        fields = dataclasses.asdict(self)
        if self.action.space == TOOL:
            del fields["action"]["space"]
        for axis in fields["action"]["axes"]:
            if not axis["prismatic"]:
                del axis["prismatic"]
        return json.dumps(fields, sort_keys=True)


def load_contract(name: str) -> Contract:
    """Load the contract of that name (config/contracts) or path.

    Raises:
        LosslessError: no such contract, or its file is invalid.
    """
    path = find_config("contracts", name)
    return from_mapping(Contract, load_yaml(path), str(path))

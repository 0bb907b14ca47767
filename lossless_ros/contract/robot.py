"""A robot: its own names for what the contract names, its command topics and the model of its arm."""

from dataclasses import dataclass, field
from typing import Any

from lossless_ros.contract.config import from_mapping, load_yaml
from lossless_ros.contract.contract import JOINTS, TRAJECTORY_TOPIC, TWIST_TOPIC, VELOCITY_TOPIC, Contract, Gripper
from lossless_ros.defaults import AUTO
from lossless_ros.errors import LosslessError
from lossless_ros.paths import find_config

HARDWARE = "hardware"  # key of a robot's file; everything else in it is a parameter of the inference node
COMMAND_TOPICS = {  # topic of each kind of arm command
    "twist": TWIST_TOPIC,  # MoveIt Servo
    "joint_velocity": VELOCITY_TOPIC,  # ros2_control, forward command controller
    "joint_trajectory": TRAJECTORY_TOPIC,  # ros2_control, joint trajectory controller
}
COMMANDS = (AUTO, *COMMAND_TOPICS)  # values of the nodes' parameter `command`


@dataclass(frozen=True)
class Arm:
    """The kinematic model of a robot's arm, for joint commands."""

    model: str  # URDF or MJCF file: a path, or package://PACKAGE/PATH of a ROS or a Python package
    frame: str  # site or body of the model that the policy moves; velocities are in the model's root frame
    posture: tuple[float, ...]  # preferred joint angles, used for redundant degrees of freedom [rad]
    max_speed: tuple[float, ...]  # of the joints [rad/s]
    margin: float = 0.01  # distance kept from the model's joint limits [rad]


@dataclass(frozen=True)
class Robot:
    """A robot's own names; whatever is not listed keeps the name that it has in the contract."""

    topics: dict[str, str] = field(default_factory=dict)  # contract's topic -> robot's topic
    joints: dict[str, str] = field(default_factory=dict)  # contract's joint -> robot's joint
    frames: dict[str, str] = field(default_factory=dict)  # contract's frame -> robot's frame
    frame_id: str | None = None  # the robot's frame in which its arm takes commands; without it the contract's
    gripper: Gripper | None = None  # open and closed position, if they differ from the contract's
    arm: Arm | None = None  # needed for the commands joint_velocity and joint_trajectory
    joint_limits: dict[str, tuple[float, ...]] = field(default_factory=dict)  # joint -> (lowest, highest) [rad or m]
    simulated: bool = False  # nothing can be damaged: it may move although its file does not state every limit

    def topic(self, name: str) -> str:
        """Return the robot's topic for a topic of the contract."""
        return self.topics.get(name, name)

    def frame(self, name: str) -> str:
        """Return the robot's frame for a frame of the contract."""
        return self.frames.get(name, name)

    def command_frame(self, contract: Contract) -> str:
        """Return the robot's frame of velocities and tool poses."""
        return self.frame_id or self.frame(contract.action.frame_id)

    def gripper_of(self, contract: Contract) -> Gripper | None:
        """Return the commands of the gripper, the robot's own if it has any; None for a contract without a gripper."""
        return contract.action.gripper and (self.gripper or contract.action.gripper)

    def joint(self, name: str) -> str:
        """Return the robot's name of a contract's joint."""
        return self.joints.get(name, name)

    def contract_joint(self, name: str) -> str:
        """Return the contract's name of a robot's joint."""
        return next((ours for ours, theirs in self.joints.items() if theirs == name), name)


def resolve_command(command: str, contract: Contract) -> str:
    """Return the kind of arm command, one of COMMAND_TOPICS, for a value of the nodes' parameter `command`.

    Raises:
        LosslessError: twists for a contract that commands joints.
    """
    is_joints = contract.action.space == JOINTS
    if command == AUTO:
        return "joint_velocity" if is_joints else "twist"
    if command == "twist" and is_joints:
        raise LosslessError(
            f"command is twist, but contract '{contract.name}' commands joints; use auto, joint_velocity or "
            "joint_trajectory"
        )
    return command


def load_robot(name: str) -> Robot:
    """Load a robot by name (config/robots) or path, from the `hardware` part of its ROS parameter file.

    Raises:
        LosslessError: no such robot, or its file is invalid.
    """
    return parse_robot(name, robot_file(name))


def parse_robot(name: str, parameters: dict[str, Any]) -> Robot:
    """Return the robot in the parameters of its file, see `robot_file`.

    Raises:
        LosslessError: the `hardware` part is invalid.
    """
    return from_mapping(Robot, parameters.get(HARDWARE, {}), f"{find_config('robots', name)}: {HARDWARE}")


def robot_file(name: str) -> dict[str, Any]:
    """Load the mapping under `/**: ros__parameters:` in a robot's file, by the robot's name or path.

    Raises:
        LosslessError: no such robot, or not a ROS parameter file.
    """
    path = find_config("robots", name)
    data: Any = load_yaml(path)
    for key in ("/**", "ros__parameters"):
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise LosslessError(f"{path}: expected a ROS parameter file with /**: ros__parameters:")
    return data

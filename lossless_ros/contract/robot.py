"""A robot: how it names what the contract names, and the model of its arm."""

from dataclasses import dataclass, field
from typing import Any

from lossless_ros.contract.config import from_mapping, load_yaml
from lossless_ros.contract.contract import Gripper
from lossless_ros.errors import LosslessError
from lossless_ros.paths import find_config

HARDWARE = "hardware"  # key of a robot's file with what is no parameter of the node


@dataclass(frozen=True)
class Arm:
    """A robot's own model, for commands to its joints."""

    model: str  # URDF or MJCF file: a path, or package://PACKAGE/PATH of a ROS or a Python package
    frame: str  # its site or body that the policy's velocities move; they are in the model's root frame
    posture: tuple[float, ...]  # joint angles to go to where the tool leaves a choice [rad]
    max_speed: tuple[float, ...]  # of the joints [rad/s]
    margin: float = 0.01  # distance kept from the model's joint limits [rad]


@dataclass(frozen=True)
class Robot:
    """How a robot names what the contract names; whatever is not listed keeps the contract's name."""

    topics: dict[str, str] = field(default_factory=dict)  # contract's topic -> robot's topic
    joints: dict[str, str] = field(default_factory=dict)  # contract's joint -> robot's joint
    frame_id: str | None = None  # frame of the twist, if the robot's base has another name
    gripper: Gripper | None = None  # gripper commands, if the robot's gripper has other units
    arm: Arm | None = None  # for the commands joint_velocity and joint_trajectory
    joint_limits: dict[str, tuple[float, ...]] = field(
        default_factory=dict
    )  # joint: lowest, highest [rad]; beyond: stop

    def topic(self, name: str) -> str:
        return self.topics.get(name, name)


def load_robot(name: str) -> Robot:
    """The robot of that name (config/robots) or path: the `hardware` part of its ROS parameter file.

    Raises:
        LosslessError: no such robot, or its file is wrong.
    """
    return from_mapping(Robot, robot_file(name).get(HARDWARE, {}), f"{find_config('robots', name)}: {HARDWARE}")


def robot_file(name: str) -> dict[str, Any]:
    """What stands under `/**: ros__parameters:` in the file of the robot of that name or path.

    Raises:
        LosslessError: no such robot, or no ROS parameter file.
    """
    path = find_config("robots", name)
    data: Any = load_yaml(path)
    for key in ("/**", "ros__parameters"):
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise LosslessError(f"{path}: expected a ROS parameter file with /**: ros__parameters:")
    return data

"""The contract between simulator, bags, training and robot, and how a robot's own names map to it."""

from lossless_ros.contract.contract import (
    GRIPPER_TOPIC,
    JOINT_STATES,
    POSE_DIM,
    TCP_POSE,
    TRAJECTORY_TOPIC,
    TWIST_AXES,
    TWIST_TOPIC,
    VELOCITY_TOPIC,
    Action,
    Axis,
    Camera,
    Contract,
    Gripper,
    Proprioception,
    load_contract,
    open_or_close,
)
from lossless_ros.contract.robot import COMMAND_TOPICS, HARDWARE, Arm, Robot, load_robot, parse_robot, robot_file
from lossless_ros.contract.robot_names import check_names

__all__ = [
    "COMMAND_TOPICS",
    "GRIPPER_TOPIC",
    "HARDWARE",
    "JOINT_STATES",
    "POSE_DIM",
    "TCP_POSE",
    "TRAJECTORY_TOPIC",
    "TWIST_AXES",
    "TWIST_TOPIC",
    "VELOCITY_TOPIC",
    "Action",
    "Arm",
    "Axis",
    "Camera",
    "Contract",
    "Gripper",
    "Proprioception",
    "Robot",
    "check_names",
    "load_contract",
    "load_robot",
    "open_or_close",
    "parse_robot",
    "robot_file",
]

"""What a robot allows, whatever a bundle's contract says. No ROS, no torch."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.contract import TCP_POSE, TOOL, Contract, Robot, parse_robot, robot_file
from lossless_ros.errors import LosslessError

ANY_RATE = (0.0, np.inf)
ANY_GRIPPER = (-np.inf, np.inf)


@dataclass(frozen=True)
class RobotLimits:
    """Limits that a robot's file states for every contract; infinite values state nothing.

    Raises:
        ValueError: a limit is not above 0, or a range is not a lower and an upper bound.
    """

    linear_velocity: float = np.inf  # along each axis [m/s]
    angular_velocity: float = np.inf  # about each axis [rad/s]
    max_age: float = np.inf  # of data that a command may answer [s]
    rate_range: Sequence[float] = ANY_RATE  # lowest and highest control rate [Hz]
    gripper_range: Sequence[float] = ANY_GRIPPER  # lowest and highest command, in the units of its controller

    def __post_init__(self) -> None:
        for name in ("linear_velocity", "angular_velocity", "max_age"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name} is {value}, expected more than 0")
        for name in ("rate_range", "gripper_range"):
            value = list(getattr(self, name))
            if len(value) != 2 or not value[0] < value[1]:
                raise ValueError(f"{name} is {value}, expected a lower and an upper bound")

    def missing(self, contract: Contract, robot: Robot) -> tuple[str, ...]:
        """Return the keys of a robot's file that have to be given before a contract may move a real arm."""
        limits = dataclasses.asdict(self)
        if contract.action.gripper is None:
            del limits["gripper_range"]
        keys = [f"safety.{name}" for name, limit in limits.items() if not np.isfinite(np.array(limit)).all()]
        if not robot.frame_id and _uses_frame(contract):
            keys.append("hardware.frame_id")
        joints = map(robot.joint, contract.action.joints)
        return (*keys, *(f"hardware.joint_limits of {joint}" for joint in joints if joint not in robot.joint_limits))

    def contract_fault(self, contract: Contract, robot: Robot) -> str | None:
        """Return in what a contract goes beyond the limits, None if it does not. Both numbers are named."""
        faults = []
        for axis in contract.action.axes:
            name = "linear_velocity" if axis.unit == "m/s" else "angular_velocity"
            limit = getattr(self, name)
            if axis.limit > limit:
                faults.append(f"{axis.axis} of {axis.limit:g} {axis.unit}, safety.{name} allows {limit:g}")
        if contract.max_age_s > self.max_age:
            faults.append(f"max_age_s of {contract.max_age_s:g} s, safety.max_age allows {self.max_age:g}")
        low, high = self.rate_range
        if not low <= contract.rate_hz <= high:
            faults.append(f"rate_hz of {contract.rate_hz:g} Hz, safety.rate_range allows {low:g} to {high:g}")
        gripper = robot.gripper_of(contract)
        low, high = self.gripper_range
        if gripper and not all(low <= command <= high for command in (gripper.open, gripper.closed)):
            ends = f"{gripper.open:g} (open) and {gripper.closed:g} (closed)"
            faults.append(f"gripper commands {ends}, safety.gripper_range allows {low:g} to {high:g}")
        return f"contract '{contract.name}' has {'; '.join(faults)}" if faults else None


LIMIT_NAMES = tuple(field.name for field in dataclasses.fields(RobotLimits))  # keys under safety in a robot's file


def load_allowed_robot(name: str, contract: Contract) -> Robot:
    """Load a robot, a name of config/robots or a YAML file, that allows what a contract wants.

    Raises:
        LosslessError: no such robot, its file is invalid, or the contract goes beyond one of its limits.
    """
    parameters = robot_file(name)
    robot = parse_robot(name, parameters)
    safety = parameters.get("safety") or {}
    try:
        limits = RobotLimits(**{name: safety[name] for name in LIMIT_NAMES if name in safety})
    except (TypeError, ValueError) as error:
        raise LosslessError(f"robot {name}: safety: {error}") from None
    if fault := limits.contract_fault(contract, robot):
        raise LosslessError(f"robot {name}: {fault}")
    return robot


def frame_fault(contract: Contract, robot: Robot) -> str | None:
    """Return which frame the contract's commands or poses are in if the arm's are in another one, else None."""
    frame = contract.action.frame_id
    if robot.frame_id in (None, robot.frame(frame)) or not _uses_frame(contract):
        return None
    verb = "commands" if contract.action.space == TOOL else "observes tcp_pose"
    return (
        f"contract '{contract.name}' {verb} in frame '{frame}', the robot takes commands in '{robot.frame_id}'; "
        f"if both are the same frame, add hardware: frames: {{{frame}: {robot.frame_id}}} to the robot's file"
    )


def _uses_frame(contract: Contract) -> bool:
    """Return whether a contract's commands or observations are in its frame; those of joints are in none."""
    return contract.action.space == TOOL or TCP_POSE in contract.streams

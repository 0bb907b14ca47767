"""What joint commands need: where the joints are, and how fast each has to move for an action."""

from typing import Protocol

import numpy as np

from lossless_ros.contract import JOINTS, Contract, Robot
from lossless_ros.control.joint_limits import joint_ranges
from lossless_ros.control.kinematics import Kinematics
from lossless_ros.errors import LosslessError
from lossless_ros.observation.frames import Frame


class JointMotion(Protocol):
    """Turns an action's velocities into those of n joints.

    Attributes:
        joints: the robot's names of the joints, in the order of the commands.
        contract: the contract, with these joints in its proprioception: what frames must have.
        max_speed: of the joints (n,) [rad/s or m/s].
    """

    joints: tuple[str, ...]
    contract: Contract
    max_speed: np.ndarray

    def solve(self, frame: Frame, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the joints' positions in a frame (n,), and their velocities (n,) for velocities (A,) of the action."""

    def clip(self, positions: np.ndarray) -> np.ndarray:
        """Return the positions (n,) clipped to the joints' ranges."""

    def restart(self) -> None:
        """Forget earlier calls of `solve`: the arm stands still."""


def make_joint_motion(contract: Contract, robot: Robot, command: str) -> JointMotion:
    """Return what turns a contract's actions into joint commands of that kind.

    Raises:
        LosslessError: the contract commands the tool, and the robot's file has no usable model of its arm.
    """
    if contract.action.space == JOINTS:
        return DirectMotion(contract, robot)
    if robot.arm is None:
        raise LosslessError(
            f"command {command} needs the robot's model: set hardware: arm: in the robot's file, or use command twist"
        )
    return ToolMotion(contract, robot)


class ToolMotion:
    """Joint velocities that move the tool, by the kinematic model of the robot's arm."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        assert robot.arm
        tilts = any(axis.axis in ("angular.x", "angular.y") for axis in contract.action.axes)
        self._arm = Kinematics(robot.arm, 1 / contract.rate_hz, tilts)
        self._action = contract.action
        self.joints, self.max_speed = tuple(self._arm.joints), self._arm.max_speed
        joints = [robot.contract_joint(name) for name in self.joints]
        self.contract = contract.with_joints(joints)
        self._indices = [self.contract.joints()[joint] for joint in joints]

    def solve(self, frame: Frame, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        angles = frame.proprioception[self._indices].astype(np.float64)
        return angles, self._arm.velocities(angles, self._action.twist(velocity))

    def clip(self, positions: np.ndarray) -> np.ndarray:
        return self._arm.clip(positions)

    def restart(self) -> None:
        self._arm.restart()


class DirectMotion:
    """Joint velocities that are the action itself; needs no model of the arm."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        names = contract.action.joints
        self.contract = contract
        self.joints = tuple(robot.joint(name) for name in names)
        self.max_speed = np.array(contract.action.speed_limits)
        ranges = joint_ranges(robot)
        self._low, self._high = np.array([ranges.get(name, (-np.inf, np.inf)) for name in names]).T
        self._indices = [contract.joints()[name] for name in names]

    def solve(self, frame: Frame, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return frame.proprioception[self._indices].astype(np.float64), velocity

    def clip(self, positions: np.ndarray) -> np.ndarray:
        return np.clip(positions, self._low, self._high)

    def restart(self) -> None:
        """Do nothing: nothing is remembered."""

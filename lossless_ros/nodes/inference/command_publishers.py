"""Commands as messages: a twist for MoveIt Servo, or joint commands for ros2_control."""

from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.time import Time
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lossless_ros.contract import COMMAND_TOPICS, Contract, Robot
from lossless_ros.control.kinematics import Kinematics
from lossless_ros.errors import LosslessError
from lossless_ros.observation.frames import Frame

RELIABLE_NEWEST = QoSProfile(depth=1)
_MAX_TRACKING_ERROR = 0.1  # a joint further from its goal than this [rad] is blocked: the goal is dropped


class CommandPublisher(Protocol):
    """Publishes arm velocities; everything that can fail happens in `prepare`, not in `send`.

    Attributes:
        publisher: of the commands.
        contract: the contract, with the joints that the commands need in its proprioception: what frames must have.
    """

    publisher: Publisher
    contract: Contract

    def prepare(self, frame: Frame, velocity: np.ndarray) -> Any:
        """Return the command for velocities (A,) [m/s, rad/s] at a frame."""

    def send(self, stamp: int, command: Any) -> None:
        """Publish a command from `prepare`, stamped [ns]."""

    def stop(self, stamp: int) -> None:
        """Publish the command to stand still."""


def make_command_publisher(
    node: Node, command: str, contract: Contract, robot: Robot, dry_run: bool
) -> CommandPublisher:
    """Return the publisher for a kind of command; in a dry run it publishes on ~/would_send.

    Raises:
        LosslessError: joint commands for a robot whose file has no usable model of its arm.
    """
    topic = robot.topic(COMMAND_TOPICS[command])
    if command == "twist":
        return TwistPublisher(node, "~/would_send" if dry_run else topic, contract, robot)
    if robot.arm is None:
        raise LosslessError(
            f"command {command} needs the robot's model: set hardware: arm: in the robot's file, or use command twist"
        )
    publishers: dict[str, type[JointVelocityPublisher] | type[TrajectoryPublisher]] = {
        "joint_velocity": JointVelocityPublisher,
        "joint_trajectory": TrajectoryPublisher,
    }
    return publishers[command](node, f"~/would_send/{command}" if dry_run else topic, contract, robot)


class TwistPublisher:
    """Publishes velocities of the tool."""

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        self.publisher = node.create_publisher(TwistStamped, topic, RELIABLE_NEWEST)
        self.contract = contract
        self._action, self._frame_id = contract.action, robot.command_frame(contract)

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        return velocity

    def send(self, stamp: int, command: np.ndarray) -> None:
        msg = TwistStamped()
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        msg.header.frame_id = self._frame_id
        linear, angular = msg.twist.linear, msg.twist.angular
        linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, self._action.twist(command))
        self.publisher.publish(msg)

    def stop(self, stamp: int) -> None:
        self.send(stamp, np.zeros(len(self._action.axes)))


class _JointKinematics:
    """The arm's kinematics and where its joints are in the proprioception, for both kinds of joint command."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        assert robot.arm
        tilts = any(axis.axis in ("angular.x", "angular.y") for axis in contract.action.axes)
        self.arm = Kinematics(robot.arm, 1 / contract.rate_hz, tilts)
        self._action = contract.action
        joints = [robot.contract_joint(name) for name in self.arm.joints]
        self.contract = contract.with_joints(joints)
        self._indices = [self.contract.joints()[joint] for joint in joints]

    def solve(self, frame: Frame, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the frame's joint angles (n,) [rad], and joint velocities (n,) [rad/s] for tool velocities (A,)."""
        angles = frame.proprioception[self._indices].astype(np.float64)
        return angles, self.arm.velocities(angles, self._action.twist(velocity))


class JointVelocityPublisher(_JointKinematics):
    """Publishes joint velocities [rad/s]. The controller holds the last ones forever, so the stop has to arrive."""

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        super().__init__(contract, robot)
        self.publisher = node.create_publisher(Float64MultiArray, topic, RELIABLE_NEWEST)

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        return self.solve(frame, velocity)[1]

    def send(self, stamp: int, command: np.ndarray) -> None:
        self.publisher.publish(Float64MultiArray(data=command.tolist()))

    def stop(self, stamp: int) -> None:
        self.arm.restart()
        self.send(stamp, np.zeros(len(self.arm.joints)))


class TrajectoryPublisher(_JointKinematics):
    """Publishes one trajectory point per period: the joint angles at its end [rad].

    Points have no velocities: by default the trajectory controller rejects a trajectory that does not end at rest.
    """

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        super().__init__(contract, robot)
        self.publisher = node.create_publisher(JointTrajectory, topic, RELIABLE_NEWEST)
        self._period = 1 / contract.rate_hz
        self._goal: np.ndarray | None = None  # the last point; None while the arm stands still
        self._angles = np.zeros(len(self.arm.joints))  # in the last frame [rad]
        self._frame_stamp = 0  # of the last frame [ns]

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        self._angles, speeds = self.solve(frame, velocity)
        elapsed, self._frame_stamp = 1e-9 * (frame.stamp - self._frame_stamp), frame.stamp
        if self._goal is None or np.abs(self._goal - self._angles).max() >= _MAX_TRACKING_ERROR:
            return self.arm.clip(self._angles + speeds * self._period)
        return self.arm.clip(self._goal + speeds * min(self._period, max(elapsed, 0.0)))

    def send(self, stamp: int, command: np.ndarray) -> None:
        self._goal = command
        msg = JointTrajectory(joint_names=list(self.arm.joints))
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        point = JointTrajectoryPoint(positions=command.tolist())
        point.time_from_start = Duration(seconds=self._period).to_msg()
        msg.points = [point]
        self.publisher.publish(msg)

    def stop(self, stamp: int) -> None:
        """Hold the last point, or the nearest one that the joints can reach within a period of their last position.

        An arm that was blocked must not catch up now. Without a point nothing was sent that would have to end.
        """
        self.arm.restart()
        if self._goal is not None:
            reach = self.arm.max_speed * self._period
            self.send(stamp, np.clip(self._goal, self._angles - reach, self._angles + reach))
            self._goal = None

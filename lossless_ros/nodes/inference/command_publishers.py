"""Commands as messages: a twist for MoveIt Servo, or joint commands for ros2_control."""

from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lossless_ros.contract import COMMAND_TOPICS, JOINTS, Contract, Robot
from lossless_ros.control.joint_motion import JointMotion, make_joint_motion
from lossless_ros.observation.frames import Frame

RELIABLE_NEWEST = QoSProfile(depth=1)
_MAX_TRACKING_ERROR = 0.1  # a joint further from its goal than this [rad, m] is blocked: the goal is dropped


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
        LosslessError: joint commands for velocities of the tool, and the robot's file has no usable model of its arm.
    """
    topic = robot.topic(COMMAND_TOPICS[command])
    if command == "twist":
        return TwistPublisher(node, "~/would_send" if dry_run else topic, contract, robot)
    publishers: dict[str, type[JointVelocityPublisher] | type[TrajectoryPublisher]] = {
        "joint_velocity": JointVelocityPublisher,
        "joint_trajectory": TrajectoryPublisher,
    }
    motion = make_joint_motion(contract, robot, command)
    return publishers[command](node, f"~/would_send/{command}" if dry_run else topic, motion, 1 / contract.rate_hz)


def make_echo(node: Node, topic: str, contract: Contract, robot: Robot) -> "TwistPublisher | JointEcho":
    """Return the publisher that shows an action's velocities with a stamp, whatever the kind of command."""
    echo = JointEcho if contract.action.space == JOINTS else TwistPublisher
    return echo(node, topic, contract, robot)


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


class JointEcho:
    """Publishes velocities of joints by their names."""

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        self.publisher = node.create_publisher(JointState, topic, RELIABLE_NEWEST)
        self._names = [robot.joint(name) for name in contract.action.joints]

    def send(self, stamp: int, command: np.ndarray) -> None:
        msg = JointState(name=self._names, velocity=command.tolist())
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        self.publisher.publish(msg)

    def stop(self, stamp: int) -> None:
        self.send(stamp, np.zeros(len(self._names)))


class JointVelocityPublisher:
    """Publishes joint velocities [rad/s, m/s]. The controller holds the last ones forever: the stop has to arrive."""

    def __init__(self, node: Node, topic: str, motion: JointMotion, period: float) -> None:
        self._motion, self.contract = motion, motion.contract
        self.publisher = node.create_publisher(Float64MultiArray, topic, RELIABLE_NEWEST)

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        return self._motion.solve(frame, velocity)[1]

    def send(self, stamp: int, command: np.ndarray) -> None:
        self.publisher.publish(Float64MultiArray(data=command.tolist()))

    def stop(self, stamp: int) -> None:
        self._motion.restart()
        self.send(stamp, np.zeros(len(self._motion.joints)))


class TrajectoryPublisher:
    """Publishes one trajectory point per period [s]: the joint positions at its end [rad, m].

    Points have no velocities: by default the trajectory controller rejects a trajectory that does not end at rest.
    """

    def __init__(self, node: Node, topic: str, motion: JointMotion, period: float) -> None:
        self._motion, self.contract, self._period = motion, motion.contract, period
        self.publisher = node.create_publisher(JointTrajectory, topic, RELIABLE_NEWEST)
        self._goal: np.ndarray | None = None  # the last point; None while the arm stands still
        self._positions = np.zeros(len(motion.joints))  # in the last frame [rad, m]
        self._frame_stamp = 0  # of the last frame [ns]

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        self._positions, speeds = self._motion.solve(frame, velocity)
        elapsed, self._frame_stamp = 1e-9 * (frame.stamp - self._frame_stamp), frame.stamp
        if self._goal is None or np.abs(self._goal - self._positions).max() >= _MAX_TRACKING_ERROR:
            return self._motion.clip(self._positions + speeds * self._period)
        return self._motion.clip(self._goal + speeds * min(self._period, max(elapsed, 0.0)))

    def send(self, stamp: int, command: np.ndarray) -> None:
        self._goal = command
        msg = JointTrajectory(joint_names=list(self._motion.joints))
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        point = JointTrajectoryPoint(positions=command.tolist())
        point.time_from_start = Duration(seconds=self._period).to_msg()
        msg.points = [point]
        self.publisher.publish(msg)

    def stop(self, stamp: int) -> None:
        """Hold the last point, or the nearest one that the joints can reach within a period of their last position.

        An arm that was blocked must not catch up now. Without a point nothing was sent that would have to end.
        """
        self._motion.restart()
        if self._goal is not None:
            reach = self._motion.max_speed * self._period
            self.send(stamp, np.clip(self._goal, self._positions - reach, self._positions + reach))
            self._goal = None

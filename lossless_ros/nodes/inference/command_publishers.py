"""What a command looks like on the wire: a twist for MoveIt Servo, or joint commands for ros2_control."""

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

from lossless_ros.contract import TRAJECTORY_TOPIC, TWIST_TOPIC, VELOCITY_TOPIC, Contract, Robot
from lossless_ros.control.kinematics import Kinematics
from lossless_ros.errors import LosslessError
from lossless_ros.observation.frames import Frame

RELIABLE_NEWEST = QoSProfile(depth=1)
_FAR = 0.1  # a goal further than this from where a joint is [rad] is given up: something holds the arm


class CommandPublisher(Protocol):
    """Where velocities go; `prepare` does what may fail, so that `send` does not."""

    publisher: Publisher

    def prepare(self, frame: Frame, velocity: np.ndarray) -> Any:
        """The command for velocities (A,) [m/s, rad/s] at a frame."""

    def send(self, stamp: int, command: Any) -> None:
        """Publish what `prepare` gave, stamped [ns]."""

    def stop(self, stamp: int) -> None:
        """Publish the command to stand still."""


def make_command_publisher(
    node: Node, command: str, contract: Contract, robot: Robot, dry_run: bool
) -> CommandPublisher:
    """The output for a kind of command; in a dry run it publishes beside the robot's topics.

    Raises:
        LosslessError: joint commands for a robot whose file has no usable model of its arm.
    """
    if command == "twist":
        return TwistPublisher(node, "~/would_send" if dry_run else robot.topic(TWIST_TOPIC), contract, robot)
    if robot.arm is None:
        raise LosslessError(f"command {command} needs the robot's model: give hardware: arm: in its file, or use twist")
    kinds: dict[str, tuple[type[JointVelocityPublisher] | type[TrajectoryPublisher], str]] = {
        "joint_velocity": (JointVelocityPublisher, VELOCITY_TOPIC),
        "joint_trajectory": (TrajectoryPublisher, TRAJECTORY_TOPIC),
    }
    kind, topic = kinds[command]
    return kind(node, f"~/would_send/{command}" if dry_run else robot.topic(topic), contract, robot)


class TwistPublisher:
    """Velocities of the tool."""

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        self.publisher = node.create_publisher(TwistStamped, topic, RELIABLE_NEWEST)
        self._action, self._frame_id = contract.action, robot.frame_id or contract.action.frame_id

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


class _Joints:
    """What both kinds of joint commands share: the arm, and where its joints are in a frame."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        assert robot.arm
        tilts = any(axis.axis in ("angular.x", "angular.y") for axis in contract.action.axes)
        self.arm = Kinematics(robot.arm, 1 / contract.rate_hz, tilts)
        self._action = contract.action
        index = {robot.joints.get(name, name): at for name, at in contract.joints().items()}
        missing = [name for name in self.arm.joints if name not in index]
        if missing:
            raise LosslessError(
                f"arm: the model's joints {', '.join(missing)} are not in the contract's proprioception "
                f"({', '.join(index)}); see hardware: joints in the robot's file"
            )
        self._at = [index[name] for name in self.arm.joints]

    def solve(self, frame: Frame, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angles (n,) [rad] at a frame, and joint velocities (n,) [rad/s] for velocities (A,) of the tool."""
        angles = frame.proprioception[self._at].astype(np.float64)
        return angles, self.arm.velocities(angles, self._action.twist(velocity))


class JointVelocityPublisher(_Joints):
    """Velocities of the joints [rad/s]. The controller holds the last ones for ever, so the stop has to arrive."""

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


class TrajectoryPublisher(_Joints):
    """One point per period: where the joints should be at its end [rad].

    Points have no velocities: the trajectory controller's default is to refuse what does not end at rest.
    """

    def __init__(self, node: Node, topic: str, contract: Contract, robot: Robot) -> None:
        super().__init__(contract, robot)
        self.publisher = node.create_publisher(JointTrajectory, topic, RELIABLE_NEWEST)
        self._period = 1 / contract.rate_hz
        self._goal: np.ndarray | None = None  # of the last point; none while nothing moves
        self._angles, self._newest = np.zeros(len(self.arm.joints)), 0  # of the last frame, and its stamp [ns]

    def prepare(self, frame: Frame, velocity: np.ndarray) -> np.ndarray:
        self._angles, speeds = self.solve(frame, velocity)
        since, self._newest = 1e-9 * (frame.stamp - self._newest), frame.stamp
        if self._goal is None or np.abs(self._goal - self._angles).max() >= _FAR:
            return self.arm.clip(self._angles + speeds * self._period)
        return self.arm.clip(self._goal + speeds * min(self._period, max(since, 0.0)))

    def send(self, stamp: int, command: np.ndarray) -> None:
        self._goal = command
        msg = JointTrajectory(joint_names=list(self.arm.joints))
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        point = JointTrajectoryPoint(positions=command.tolist())
        point.time_from_start = Duration(seconds=self._period).to_msg()
        msg.points = [point]
        self.publisher.publish(msg)

    def stop(self, stamp: int) -> None:
        """Stay at the last point, or as near to it as the joints may come in a period from where they were seen last.

        An arm that was held up must not make up for it now. Without a point nothing was sent that would have to end.
        """
        self.arm.restart()
        if self._goal is not None:
            reach = self.arm.max_speed * self._period
            self.send(stamp, np.clip(self._goal, self._angles - reach, self._angles + reach))
            self._goal = None

"""The robot's end of the topics, for the simulated robot: observations out, commands in."""

import threading
import time
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from lossless_ros.contract import (
    GRIPPER_TOPIC,
    JOINT_STATES,
    TCP_POSE,
    TRAJECTORY_TOPIC,
    TWIST_TOPIC,
    VELOCITY_TOPIC,
    Contract,
)
from lossless_ros.episodes.sim_messages import JOINT_NAMES, observation_messages, serialize
from lossless_ros.observation.messages import stamp_ns

ARM_JOINTS = JOINT_NAMES[:7]
_GRIPPER_GRACE_S = 1.0  # a stop has no gripper command: after this long the gripper holds


@dataclass(frozen=True)
class Command:
    """A command as it arrived: velocities along the contract's axes and the gripper (dim,) float32.

    With joint commands the velocities are zero and `joints` (7,) holds what the joints were told.
    """

    action: np.ndarray
    stamp: int  # of the twist or trajectory [ns]
    arrived: float  # time.monotonic() [s]
    joints: np.ndarray | None = None  # velocities [rad/s], or with joint_trajectory angles to be at in a period [rad]


class SimRobotInterface:
    """Publishes the contract's topics, with the bytes that bags hold, and keeps the newest command.

    `command` is its kind: twist, joint_velocity or joint_trajectory.
    """

    def __init__(self, node: Node, contract: Contract, command: str = "twist") -> None:
        self._contract = contract
        self._node = node
        best_effort, reliable = qos_profile_sensor_data, QoSProfile(depth=10)
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._publishers = {
            camera.topic: node.create_publisher(Image, camera.topic, best_effort) for camera in contract.cameras
        }
        self._publishers[JOINT_STATES] = node.create_publisher(JointState, JOINT_STATES, best_effort)
        self._publishers[TCP_POSE] = node.create_publisher(PoseStamped, TCP_POSE, reliable)
        self._arrival = threading.Condition()
        self._velocity = np.zeros(len(contract.action.axes), np.float32)
        self._stamp, self._twist_at, self._gripper_at = -1, 0.0, 0.0
        self._published = -1  # stamp of the newest observation [ns]
        self._gripper = -1.0  # open
        self._joints: np.ndarray | None = None
        kind, topic, callback = {
            "twist": (TwistStamped, TWIST_TOPIC, self._on_twist),
            "joint_velocity": (Float64MultiArray, VELOCITY_TOPIC, self._on_velocities),
            "joint_trajectory": (JointTrajectory, TRAJECTORY_TOPIC, self._on_trajectory),
        }[command]
        self._times_out = command == "twist"  # a servo does; controllers of ros2_control hold what they got
        self._arm = node.create_subscription(kind, topic, callback, reliable)
        self._grippers = node.create_subscription(Float64MultiArray, GRIPPER_TOPIC, self._on_gripper, reliable)

    def unconnected(self) -> list[str]:
        """Topics of the contract that nobody listens to, or that no commands come from, yet."""
        heard = [self._contract.topic(stream) for stream in self._contract.streams]
        deaf = [topic for topic in heard if not self._publishers[topic].get_subscription_count()]
        return deaf + [s.topic_name for s in (self._arm, self._grippers) if not s.get_publisher_count()]

    def publish(self, stamp: int, observation: dict[str, np.ndarray]) -> float:
        """Publish /clock and then the observation of that instant [ns]; returns when that began (monotonic) [s]."""
        begin, self._published = time.monotonic(), stamp
        self.tick(stamp)
        for topic, msg in observation_messages(self._contract, stamp, observation).items():
            self._publishers[topic].publish(serialize(msg))
        return begin

    def tick(self, stamp: int) -> None:
        """Publish /clock [ns]."""
        self._clock.publish(Clock(clock=Time(nanoseconds=stamp).to_msg()))

    def reply(self, stamp: int, since: float, timeout: float) -> Command | None:
        """The command that answers the frame of `stamp` [ns], published at `since` (monotonic) [s].

        That is a twist stamped from then on and the gripper command beside it, which has no stamp and must have come
        after `since`. None if there was none within `timeout` [s].
        """

        def answered() -> bool:
            if self._stamp < stamp:
                return False
            return self._gripper_at >= since or time.monotonic() > self._twist_at + _GRIPPER_GRACE_S

        end = time.monotonic() + timeout
        with self._arrival:
            while not answered():
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._arrival.wait(min(left, 0.2))
            return self._command()

    def newest(self, max_age: float) -> Command:
        """The newest command; no motion if it came longer than `max_age` ago [s], as a servo would have it."""
        with self._arrival:
            command = self._command()
        if self._times_out and time.monotonic() - command.arrived > max_age:
            command.action[:-1] = 0
        return command

    def _command(self) -> Command:
        action = np.append(self._velocity, np.float32(self._gripper))
        return Command(action, self._stamp, max(self._twist_at, self._gripper_at), self._joints)

    def _on_twist(self, msg: TwistStamped) -> None:
        parts = (axis.axis.split(".") for axis in self._contract.action.axes)
        velocity = np.array([getattr(getattr(msg.twist, part), name) for part, name in parts], np.float32)
        with self._arrival:
            self._velocity, self._stamp, self._twist_at = velocity, stamp_ns(msg), time.monotonic()
            self._arrival.notify_all()

    def _on_velocities(self, msg: Float64MultiArray) -> None:
        self._on_joints(np.array(msg.data), self._published)  # it has no stamp: it answers what was published last

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        point = dict(zip(msg.joint_names, msg.points[-1].positions, strict=True))
        self._on_joints(np.array([point[name] for name in ARM_JOINTS]), stamp_ns(msg))

    def _on_joints(self, joints: np.ndarray, stamp: int) -> None:
        with self._arrival:
            self._joints, self._stamp, self._twist_at = joints, stamp, time.monotonic()
            self._arrival.notify_all()

    def _on_gripper(self, msg: Float64MultiArray) -> None:
        with self._arrival:
            self._gripper = self._contract.action.gripper.action(msg.data[0])
            self._gripper_at = time.monotonic()
            self._arrival.notify_all()

"""The topics of the simulated robot: observations out, commands in."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.subscription import Subscription
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from lossless_ros.contract import COMMAND_TOPICS, GRIPPER_TOPIC, JOINT_STATES, TCP_POSE, Contract, resolve_command
from lossless_ros.defaults import AUTO
from lossless_ros.episodes.sim_messages import JOINT_NAMES, observation_messages, serialize
from lossless_ros.observation.messages import stamp_ns

_GRIPPER_GRACE_S = 1.0  # a stop comes without a gripper command: after this long none is expected


@dataclass(frozen=True)
class ReceivedCommand:
    """A command as it arrived.

    Attributes:
        action: velocities along the contract's axes, then the gripper if there is one (dim,) float32. The velocities
            are zero if `joints` or `point` have to be turned into motion.
        stamp: of the twist or trajectory [ns].
        arrived: time.monotonic() [s].
        joints: velocities of the arm's joints [rad/s], for a contract that commands the tool.
        point: positions of the arm's joints in a trajectory point [rad], or of those that the contract commands.
    """

    action: np.ndarray
    stamp: int
    arrived: float
    joints: np.ndarray | None = None
    point: np.ndarray | None = None


class SimRobotInterface:
    """Publishes the contract's topics, with the same bytes as in bags, and keeps the newest command.

    `command` is the kind of arm command, one of COMMANDS; `joint_names` are the robot's, the gripper's last.

    Attributes:
        commanded_joints: whose velocities or positions joint commands have: the contract's, or those of the arm.

    Raises:
        LosslessError: twists for a contract that commands joints.
    """

    def __init__(
        self, node: Node, contract: Contract, command: str = AUTO, joint_names: Sequence[str] = JOINT_NAMES
    ) -> None:
        command = resolve_command(command, contract)
        self._contract, self._joint_names = contract, tuple(joint_names)
        self.commanded_joints = contract.action.joints or self._joint_names[:-1]
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
        self._stamp = -1  # of the newest arm command [ns]
        self._arm_arrived = self._gripper_arrived = 0.0  # time.monotonic() [s]
        self.arm_commands = 0  # that have arrived
        self._published = -1  # stamp of the newest observation [ns]
        self._gripper = -1.0  # open
        self._joints: np.ndarray | None = None
        self._point: np.ndarray | None = None
        kind, callback = {
            "twist": (TwistStamped, self._on_twist),
            "joint_velocity": (Float64MultiArray, self._on_velocities),
            "joint_trajectory": (JointTrajectory, self._on_trajectory),
        }[command]
        self._times_out = command == "twist"  # as in MoveIt Servo; controllers of ros2_control hold the last command
        self._arm = node.create_subscription(kind, COMMAND_TOPICS[command], callback, reliable)
        self._grippers = (
            node.create_subscription(Float64MultiArray, GRIPPER_TOPIC, self._on_gripper, reliable)
            if contract.action.gripper
            else None
        )

    @property
    def command_topic(self) -> str:
        """Return the topic of the arm's commands."""
        return self._arm.topic_name

    @property
    def commander_is_connected(self) -> bool:
        """Return whether some node publishes on the arm's command topic."""
        return bool(self._arm.get_publisher_count())

    def unconnected_topics(self) -> list[str]:
        """Return the observation topics without a subscriber and the command topics without a publisher."""
        observed = [self._contract.topic(stream) for stream in self._contract.streams]
        unread = [topic for topic in observed if not self._publishers[topic].get_subscription_count()]
        return unread + [s.topic_name for s in (self._arm, self._grippers) if s and not s.get_publisher_count()]

    def publish(self, stamp: int, observation: dict[str, np.ndarray]) -> float:
        """Publish /clock and then the observation of this stamp [ns]; return the start time (monotonic) [s]."""
        begin, self._published = time.monotonic(), stamp
        self.tick(stamp)
        messages = observation_messages(self._contract, stamp, observation, joint_names=self._joint_names)
        for topic, msg in messages.items():
            self._publishers[topic].publish(serialize(msg))
        return begin

    def tick(self, stamp: int) -> None:
        """Publish /clock [ns]."""
        self._clock.publish(Clock(clock=Time(nanoseconds=stamp).to_msg()))

    def wait_for_reply(self, stamp: int, since: float, timeout: float) -> ReceivedCommand | None:
        """Return the command that answers the frame of `stamp` [ns], published at `since` (monotonic) [s].

        It consists of an arm command with that stamp or a later one, and a gripper command if the contract has a
        gripper, which has no stamp and must have arrived after `since`. None if it does not arrive within `timeout`
        [s].
        """

        def answered() -> bool:
            if self._stamp < stamp:
                return False
            if self._grippers is None:
                return True
            return self._gripper_arrived >= since or time.monotonic() > self._arm_arrived + _GRIPPER_GRACE_S

        end = time.monotonic() + timeout
        with self._arrival:
            while not answered():
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._arrival.wait(min(left, 0.2))
            return self._command()

    def latest(self, max_age: float) -> ReceivedCommand:
        """Return the latest command; a twist older than `max_age` [s] means no motion, as in MoveIt Servo."""
        with self._arrival:
            command = self._command()
        if self._times_out and time.monotonic() - command.arrived > max_age:
            command.action[: len(self._velocity)] = 0
        return command

    def _command(self) -> ReceivedCommand:
        gripper = [] if self._grippers is None else [np.float32(self._gripper)]
        return ReceivedCommand(
            action=np.append(self._velocity, gripper).astype(np.float32),
            stamp=self._stamp,
            arrived=max(self._arm_arrived, self._gripper_arrived),
            joints=self._joints,
            point=self._point,
        )

    def _on_twist(self, msg: TwistStamped) -> None:
        parts = (axis.axis.split(".") for axis in self._contract.action.axes)
        velocity = np.array([getattr(getattr(msg.twist, part), name) for part, name in parts], np.float32)
        if self._is_valid(self._arm, velocity, len(velocity)):
            with self._arrival:
                self._velocity = velocity
                self._arm_has_arrived(stamp_ns(msg))

    def _on_velocities(self, msg: Float64MultiArray) -> None:
        joints = np.array(msg.data)
        if self._is_valid(self._arm, joints, len(self.commanded_joints)):
            with self._arrival:
                if self._contract.action.joints:
                    self._velocity = joints.astype(np.float32)
                else:
                    self._joints = joints
                self._arm_has_arrived(self._published)  # without a stamp: the answer to the newest observation

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        positions = msg.points[-1].positions if msg.points else ()
        by_name = dict(zip(msg.joint_names, positions, strict=False))
        point = np.array([by_name[name] for name in self.commanded_joints if name in by_name])
        if self._is_valid(self._arm, point, len(self.commanded_joints)):
            with self._arrival:
                self._point = point
                self._arm_has_arrived(stamp_ns(msg))

    def _arm_has_arrived(self, stamp: int) -> None:
        """Take note of an arm command with this stamp [ns], and wake up who waits for it."""
        self._stamp, self._arm_arrived = stamp, time.monotonic()
        self.arm_commands += 1
        self._arrival.notify_all()

    def _on_gripper(self, msg: Float64MultiArray) -> None:
        position, action = np.array(msg.data), self._contract.action
        if action.gripper and self._grippers and self._is_valid(self._grippers, position, 1):
            with self._arrival:
                self._gripper = action.gripper_output(float(position[0]), action.gripper)
                self._gripper_arrived = time.monotonic()
                self._arrival.notify_all()

    def _is_valid(self, subscription: Subscription, values: np.ndarray, number: int) -> bool:
        """Return whether a command has that many finite values; another one is reported and not obeyed."""
        if values.shape == (number,) and np.isfinite(values).all():
            return True
        text = (
            f"{subscription.topic_name}: {len(values)} values ({np.array2string(values[:8])}), expected {number} finite"
        )
        self._node.get_logger().error(f"{text}; ignored", throttle_duration_sec=2.0)
        return False

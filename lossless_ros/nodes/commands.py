"""The only way from an action to the robot: guarded, stamped, and closed by a stop."""

import threading

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.clock import ROSClock
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from std_msgs.msg import Float64MultiArray

from lossless_ros.contract import GRIPPER_TOPIC, TCP_POSE, TWIST_TOPIC, Contract, Robot
from lossless_ros.frames import Frame
from lossless_ros.safety import Guard, Limits, age_fault

_RELIABLE_NEWEST = QoSProfile(depth=1)
DRY_TWIST, DRY_GRIPPER = "~/would_send", "~/would_send/gripper"


class Commands:
    """Publishes twist and gripper commands while open. Closing sends the stop, and nothing comes after it.

    Any thread may call it. `dry_run` publishes beside the robot's topics, where no robot listens.
    """

    def __init__(self, node: Node, contract: Contract, robot: Robot, limits: Limits, dry_run: bool) -> None:
        self.guard = Guard(limits, 1 / contract.rate_hz)
        self.sent = 0
        self.newest = 0  # stamp of the frame that the last command answers [ns]
        self._node, self._contract = node, contract
        self._lock = threading.Lock()
        self._open = False
        self._max_age = round(contract.max_age_s * 1e9)
        self._gripper = robot.gripper or contract.action.gripper
        self._frame_id = robot.frame_id or contract.action.frame_id
        self._position = _offset(contract, TCP_POSE)
        topics = (DRY_TWIST, DRY_GRIPPER) if dry_run else (robot.topic(TWIST_TOPIC), robot.topic(GRIPPER_TOPIC))
        self._twists = node.create_publisher(TwistStamped, topics[0], _RELIABLE_NEWEST)
        self._grippers = node.create_publisher(Float64MultiArray, topics[1], _RELIABLE_NEWEST)

    def open(self) -> None:
        """Let commands flow from now on; a latched stop stays."""
        with self._lock:
            self._open = True

    def send(self, frame: Frame, action: np.ndarray) -> bool:
        """Send the command for an action (dim,) that answers a frame; False if it was not sent.

        Data too old (or from the future) and actions that are not finite stop the robot instead.
        """
        with self._lock:
            if not self._open:
                return False
            now = self._now()
            fault = age_fault(frame.stamp, self._or_simulated(frame.stamp, now), self._max_age)
            if fault:
                self._stop("data age", fault, False)
                return False
            try:
                command = self.guard.admit(action, self._tool(frame))
            except ValueError as error:
                self._stop("action", str(error), False)
                return False
            if command is None:
                return False
            self._publish(max(now, frame.stamp), command[:-1], float(command[-1]))
            self.sent += 1
            self.newest = frame.stamp
            return True

    def stop(self, kind: str, reason: str, latch: bool = False) -> None:
        """Stop the robot if it moves; `latch` keeps it stopped until `release`."""
        with self._lock:
            self._stop(kind, reason, latch)

    def release(self) -> None:
        with self._lock:
            self.guard.release()

    def overdue(self) -> str | None:
        """Why the last command must not hold any longer, if the robot moves by it; None if it may."""
        with self._lock:
            if not self._open or self.guard.state != "moving":
                return None
            return age_fault(self.newest, self._now(), self._max_age)

    def close(self, reason: str) -> None:
        """Close and send the stop, moving or not; returns when the robot's side has it (at most 0.5 s)."""
        with self._lock:
            was_open, self._open = self._open, False
            if not was_open:
                return
            self.guard.stop("closed", reason)
            self._publish_stop()
        self._twists.wait_for_all_acked(Duration(nanoseconds=500_000_000))

    def destroy(self) -> None:
        self._node.destroy_publisher(self._twists)
        self._node.destroy_publisher(self._grippers)

    def _stop(self, kind: str, reason: str, latch: bool) -> None:
        before = self.guard.state, self.guard.kind
        if self.guard.stop(kind, reason, latch) and self._open:
            self._publish_stop()
        if (self.guard.state, self.guard.kind) != before:
            self._node.get_logger().warning(f"stopped: {reason}")

    def _publish_stop(self) -> None:
        """Zero twist; the gripper is left holding what it holds."""
        self._publish(max(self._now(), self.newest), np.zeros_like(self.guard.limits.velocity), None)

    def _publish(self, stamp: int, velocity: np.ndarray, gripper: float | None) -> None:
        if gripper is not None:
            self._grippers.publish(Float64MultiArray(data=[self._gripper.command(gripper)]))
        twist = TwistStamped()
        twist.header.stamp = Time(nanoseconds=stamp).to_msg()
        twist.header.frame_id = self._frame_id
        for axis, value in zip(self._contract.action.axes, velocity, strict=True):
            part, name = axis.axis.split(".")
            setattr(getattr(twist.twist, part), name, float(value))
        self._twists.publish(twist)

    def _tool(self, frame: Frame) -> np.ndarray | None:
        """Tool centre (3,) [m], None if the contract does not have it."""
        if self._position is None:
            return None
        return frame.proprioception[self._position : self._position + 3]

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _or_simulated(self, stamp: int, now: int) -> int:
        """A simulator's /clock may arrive after the frame of the same instant; that frame is not from the future."""
        clock = self._node.get_clock()
        return max(now, stamp) if isinstance(clock, ROSClock) and clock.ros_time_is_active else now


def _offset(contract: Contract, stream: str) -> int | None:
    """Index of a stream's first number in the proprioception."""
    offset = 0
    for part in contract.proprioception:
        if part.stream == stream:
            return offset
        offset += part.dim
    return None

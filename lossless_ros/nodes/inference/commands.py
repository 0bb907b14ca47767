"""The only way from an action to the robot: guarded, stamped, and closed by a stop."""

import threading
import time

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from lossless_ros.contract import GRIPPER_TOPIC, TCP_POSE, Contract, Robot
from lossless_ros.control.safety import Guard, age_fault, joint_fault
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.nodes.inference.command_publishers import RELIABLE_NEWEST, TwistPublisher, make_command_publisher
from lossless_ros.observation.frames import Frame

_CLOCK_SLACK_NS = 1_000_000  # clocks of several machines are kept in step by steps smaller than this
_STANDSTILL_S = 5.0  # a clock that shows the same for so long stands still; a simulator in lock step may take its time
_TRIES, _AGAIN_S = 25, 0.02  # a last stop that cannot be published is tried so often, with pauses


class Commands:
    """Publishes commands to arm and gripper while open. Closing sends the stop, and nothing comes after it.

    Any thread may call it. `dry_run` publishes beside the robot's topics, where no robot listens. With `alone` nothing
    is sent while somebody else publishes commands. What really went out to a robot, in whatever kind of command, is on
    ~/sent as the twist that it means.
    """

    def __init__(
        self, node: Node, contract: Contract, robot: Robot, guard: Guard, command: str, dry_run: bool, alone: bool
    ) -> None:
        self.guard = guard
        self.sent = 0
        self.newest = 0  # stamp of the frame that the last command answers [ns]
        self._sent_at = 0  # when it was sent, by the node's clock [ns]
        self._node = node
        self._lock = threading.Lock()
        self._open, self._alone = False, alone
        self._pending_stop = False  # a stop that the robot has not been sent yet
        self._latest = 0  # newest time that the node's clock has shown [ns]
        self._latest_since = time.monotonic()  # and when it did first [s]
        self._max_age = round(contract.max_age_s * 1e9)
        self._gripper = robot.gripper or contract.action.gripper
        self._position = _offset(contract, TCP_POSE)
        if self._position is None and np.isfinite(guard.limits.workspace).any():
            raise LosslessError(f"safety.workspace needs {TCP_POSE} in the contract's proprioception; without it: .inf")
        if not np.isfinite([self._gripper.open, self._gripper.closed]).all():
            raise LosslessError(f"gripper is {self._gripper}, expected numbers for open and closed")
        self._joints = _limited_joints(contract, robot)
        self._arm = make_command_publisher(node, command, contract, robot, dry_run)
        gripper = "~/would_send/gripper" if dry_run else robot.topic(GRIPPER_TOPIC)
        self._grippers = node.create_publisher(Float64MultiArray, gripper, RELIABLE_NEWEST)
        told = "~/would_send" if dry_run else "~/sent"
        self._told = None if dry_run and command == "twist" else TwistPublisher(node, told, contract, robot)

    def open(self) -> None:
        """Let commands flow from now on; a latched stop stays."""
        with self._lock:
            self._open = True

    def send(self, frame: Frame, action: np.ndarray) -> bool:
        """Send the command for an action (dim,) that answers a frame; False if it was not sent.

        Data too old (or from the future), joints beyond their limits and actions that cannot be sent stop the robot.
        """
        with self._lock:
            if not self._open:
                return False
            now = self._now()
            kind, fault = self._fault_of(frame, now)
            if fault:
                self._stop(kind, fault, False)
                return False
            try:
                since = 1e-9 * (frame.stamp - self.newest)
                elapsed = since if self.guard.state == "moving" and since > 0 else np.inf
                command = self.guard.filter(action, self._tool(frame), elapsed)
                if command is None:
                    return False
                if not np.isfinite(command).all():
                    raise ValueError(f"command is not finite: {np.array2string(command, precision=3)}")
                prepared = self._arm.prepare(frame, command[:-1])
                stamp = max(now, frame.stamp)
                self._grippers.publish(Float64MultiArray(data=[self._gripper.position(float(command[-1]))]))
                self._arm.send(stamp, prepared)
                if self._told:
                    self._told.send(stamp, command[:-1])
            except Exception as error:  # whatever it is, the robot must not go on
                self._stop("action", str(error), False)
                return False
            self._pending_stop = False
            self.sent += 1
            self.newest, self._sent_at = frame.stamp, now
            return True

    def pause(self, kind: str, reason: str) -> None:
        """Stop the robot if it moves, though nothing is wrong: the next command moves it again."""
        with self._lock:
            self._pending_stop |= self.guard.pause(kind, reason)
            self._flush_pending_stop()

    def stop(self, kind: str, reason: str, latch: bool = False) -> None:
        """Stop the robot if it moves; `latch` keeps it stopped until `release`."""
        with self._lock:
            self._stop(kind, reason, latch)

    def release(self) -> None:
        with self._lock:
            self.guard.release()

    def flush_pending_stop(self) -> None:
        """Send the stop that could not be sent when it was due, if there is one."""
        with self._lock:
            self._flush_pending_stop()

    def command_timed_out(self) -> str | None:
        """Why the last command must not hold any longer, if the robot moves by it; None if it may."""
        with self._lock:
            if not self._open or self.guard.state != "moving":
                return None
            since = min(self.newest, self._sent_at)  # a stamp ahead of the clock is no reason to hold a command longer
            return age_fault(since, self._now(), self._max_age)

    def clock_fault(self) -> str | None:
        """Why times mean nothing: the node's clock has jumped back since the last call, or stands still."""
        with self._lock:
            now, before = self._now(), self._latest
            if now != before:
                self._latest, self._latest_since = now, time.monotonic()
            if now < before - _CLOCK_SLACK_NS:
                self.newest = self._sent_at = 0
                return f"clock jumped back by {(before - now) / 1e9:.3f} s"
            still = time.monotonic() - self._latest_since
            if self.guard.state == "moving" and still > _STANDSTILL_S:
                return f"clock has stood still for {still:.0f} s"
            return None

    def competing_publisher(self) -> str | None:
        """That somebody else publishes commands too, None if nobody does."""
        topics = [publisher.topic_name for publisher in (self._arm.publisher, self._grippers)]
        shared = ", ".join(topic for topic in topics if self._node.count_publishers(topic) > 1)
        return f"somebody else publishes on {shared} too; one of both has to go" if shared else None

    def close(self, reason: str) -> None:
        """Close and send the stop, moving or not; returns when the robot's side has it (at most 0.5 s).

        A stop that cannot be published is tried again for half a second, and by the next call.
        """
        with self._lock:
            was_open, self._open = self._open, False
            if not was_open and not self._pending_stop:
                return
            self.guard.pause("closed", reason)
            self._pending_stop = True
            for _ in range(_TRIES):
                self._flush_pending_stop()
                if not self._pending_stop:
                    break
                time.sleep(_AGAIN_S)
        self._arm.publisher.wait_for_all_acked(Duration(nanoseconds=500_000_000))

    def destroy(self) -> None:
        for publisher in (self._arm.publisher, self._grippers, self._told and self._told.publisher):
            if publisher:
                self._node.destroy_publisher(publisher)

    def _stop(self, kind: str, reason: str, latch: bool) -> None:
        before = self.guard.state, self.guard.kind
        self._pending_stop |= self.guard.stop(kind, reason, latch)
        self._flush_pending_stop()
        if (self.guard.state, self.guard.kind) != before:
            self._node.get_logger().warning(f"stopped: {reason}")

    def _flush_pending_stop(self) -> None:
        if not self._pending_stop:
            return
        try:
            self._publish_stop()
            self._pending_stop = False
        except Exception as error:  # the watchdog tries again
            self._node.get_logger().error(f"the stop could not be sent: {error}", throttle_duration_sec=1.0)

    def _publish_stop(self) -> None:
        """The arm stands still; the gripper is left holding what it holds."""
        stamp = max(self._now(), self.newest)
        self._arm.stop(stamp)
        if self._told:
            self._told.stop(stamp)

    def _fault_of(self, frame: Frame, now: int) -> tuple[str, str | None]:
        """Kind and reason why a frame is not to be acted upon; no reason if it is."""
        for stream, stamp in frame.stamps.items():
            fault = age_fault(stamp, now, self._max_age)
            if fault:
                return "data age", f"{stream}: {fault}"
        competing = self.competing_publisher() if self._alone else None
        if competing:
            return "rival", competing
        names, at, limits = self._joints
        return "joints", joint_fault(frame.proprioception[at], limits, names) if names else None

    def _tool(self, frame: Frame) -> np.ndarray | None:
        """Tool center (3,) [m], None if the contract does not have it."""
        if self._position is None:
            return None
        return frame.proprioception[self._position : self._position + 3]

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds


def _offset(contract: Contract, stream: str) -> int | None:
    """Index of a stream's first number in the proprioception."""
    offset = 0
    for part in contract.proprioception:
        if part.stream == stream:
            return offset
        offset += part.dim
    return None


def _limited_joints(contract: Contract, robot: Robot) -> tuple[list[str], list[int], np.ndarray]:
    """Joints with limits: the robot's names for them, their indices in the proprioception, limits (n, 2) [rad].

    Raises:
        LosslessError: limits of a joint that the contract does not have, or that are no range.
    """
    index = {robot.joints.get(name, name): at for name, at in contract.joints().items()}
    for name, limits in robot.joint_limits.items():
        if name not in index:
            raise unknown("joint", name, index)
        if len(limits) != 2 or not limits[0] < limits[1]:
            raise LosslessError(f"joint_limits of {name} are {list(limits)}, expected the lowest and the highest [rad]")
    names = list(robot.joint_limits)
    return names, [index[name] for name in names], np.array([robot.joint_limits[name] for name in names])

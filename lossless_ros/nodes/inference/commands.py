"""The only path from an action to the robot: guarded, stamped, and closed by a stop."""

import threading
import time

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray

from lossless_ros.contract import GRIPPER_TOPIC, TCP_POSE, Contract, Robot, resolve_command
from lossless_ros.control.axis_positions import AxisPositions
from lossless_ros.control.clock_monitor import ClockMonitor
from lossless_ros.control.faults import age_fault
from lossless_ros.control.guard import Guard
from lossless_ros.control.joint_limits import JointLimits
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.inference.command_publishers import RELIABLE_NEWEST, make_command_publisher, make_echo
from lossless_ros.observation.frames import Frame
from lossless_ros.text import clean

_SHORTEST_PERIOD_S = 1e-3  # between commands: those of one reading of a clock are no closer together
_STOP_ATTEMPTS, _STOP_RETRY_S = 25, 0.02  # of a last stop that cannot be published


class Commands:
    """Publishes commands to the arm, and to the gripper if there is one, while open.

    Closing sends the stop, and nothing follows it.

    Thread-safe. With `dry_run` it publishes on ~/would_send, where no robot listens. With `exclusive` nothing is sent
    while another node publishes on the command topics. Every command sent to a robot, whatever its kind, is echoed on
    ~/sent: as the equivalent twist, or as velocities of the joints that the contract commands.
    """

    def __init__(
        self, node: Node, contract: Contract, robot: Robot, guard: Guard, command: str, dry_run: bool, exclusive: bool
    ) -> None:
        self.guard = guard
        self.sent = 0  # commands so far
        self._frame_stamp = 0  # of the frame that the last command answers [ns]
        self._sent_at = 0  # when the last command was sent, by the node's clock [ns]
        self._stamp = 0  # of the last command [ns]: the later of both
        self._node = node
        self._lock = threading.Lock()
        self._open, self._exclusive, self._dry_run = False, exclusive, dry_run
        self._pending_stop = False  # a stop that has not reached the robot yet
        self._stop_is_logged = False  # and no motion after it
        self._clock = ClockMonitor()
        self._simulated = robot.simulated
        self._max_age = round(contract.max_age_s * 1e9)
        self._num_axes = len(contract.action.axes)
        self._positions = AxisPositions(contract)
        if self._positions.stream is None and np.isfinite(guard.limits.walls).any():
            raise LosslessError(f"safety.workspace needs {TCP_POSE} in the contract's proprioception; without it: .inf")
        command = resolve_command(command, contract)
        self._joint_limits = JointLimits(contract, robot)
        self._arm = make_command_publisher(node, command, self._joint_limits.contract, robot, dry_run)
        self._gripper = robot.gripper_of(contract)
        gripper_topic = "~/would_send/gripper" if dry_run else robot.topic(GRIPPER_TOPIC)
        self._gripper_publisher = (
            node.create_publisher(Float64MultiArray, gripper_topic, RELIABLE_NEWEST) if self._gripper else None
        )
        echo_topic = "~/would_send" if dry_run else "~/sent"
        is_own_echo = dry_run and command == "twist"
        self._echo = None if is_own_echo else make_echo(node, echo_topic, contract, robot)

    @property
    def contract(self) -> Contract:
        """The policy's contract, with all joints that limits and commands need: what frames must have."""
        return self._arm.contract

    def open(self) -> None:
        """Let commands through from now on; a latched stop stays."""
        with self._lock:
            self._open = True

    def send(self, frame: Frame, action: np.ndarray, arrived: float) -> bool:
        """Send the command for an action (dim,) that answers a frame; return whether it was sent.

        A clock that stands, data that is too old or from the future, joints beyond their limits and invalid actions
        stop the robot.

        Args:
            arrived: when the frame was complete [s, time.monotonic].
        """
        with self._lock:
            if not self._open:
                return False
            now = self._now()
            kind, fault = self._frame_fault(frame, now, arrived)
            if fault:
                self._stop(kind, fault, False)
                return False
            try:
                stamp = max(now, frame.stamp)
                since = max(1e-9 * (stamp - self._stamp), _SHORTEST_PERIOD_S)
                elapsed = since if self.guard.state == "moving" else np.inf
                positions, position_age = self._positions.find(frame), self._positions.age(frame, stamp)
                command = self.guard.filter(action, positions, elapsed, position_age)
                if command is None:
                    return False
                if not np.isfinite(command).all():
                    raise ValueError(f"command is not finite: {np.array2string(command, precision=3)}")
                velocity = command[: self._num_axes]
                prepared = self._arm.prepare(frame, velocity)
                if self._gripper and self._gripper_publisher:
                    target = self._gripper.command_at(float(command[-1]))
                    self._gripper_publisher.publish(Float64MultiArray(data=[target]))
                self._arm.send(stamp, prepared)
                if self._echo:
                    self._echo.send(stamp, velocity)
            except Exception as error:  # whatever failed, the robot must not go on
                self._stop("action", str(error), False)
                return False
            self._pending_stop = False
            if self._stop_is_logged:
                self._stop_is_logged = False
                self._node.get_logger().info("moving again")
            self.sent += 1
            self._frame_stamp, self._sent_at, self._stamp = frame.stamp, now, stamp
            return True

    def pause(self, kind: str, reason: str) -> None:
        """Stop the robot without a fault, if it moves: the next command moves it again."""
        with self._lock:
            self._pending_stop |= self.guard.pause(kind, reason)
            self._flush_pending_stop()

    def stop(self, kind: str, reason: str, latch: bool = False) -> None:
        """Stop the robot if it moves; with `latch` it stays stopped until `release`."""
        with self._lock:
            self._stop(kind, reason, latch)

    def release(self) -> None:
        """End a latched stop."""
        with self._lock:
            self.guard.release()

    def flush_pending_stop(self) -> None:
        """Send a stop that could not be sent when it was due, if there is one."""
        with self._lock:
            self._flush_pending_stop()

    def command_timed_out(self) -> str | None:
        """Return why the last command must not hold any longer, None if it may or the robot does not move."""
        with self._lock:
            if not self._open or self.guard.state != "moving":
                return None
            since = min(self._frame_stamp, self._sent_at)  # a stamp ahead of the clock must not extend the timeout
            return age_fault(since, self._now(), self._max_age)

    def clock_fault(self) -> str | None:
        """Return why times mean nothing: the clock jumped back since the last call, stands still or runs slow."""
        with self._lock:
            jump = self._clock.jump_fault(self._now())
            if jump:
                self._frame_stamp = self._sent_at = 0
                return jump
            if self.guard.state != "moving":
                return None
            return self._clock.standstill_fault() or self._speed_fault()

    def clock_speed(self) -> float | None:
        """Return how fast the node's clock runs, 1 for real time; None before that is known."""
        with self._lock:
            return self._clock.speed()

    def clock_speed_fault(self) -> str | None:
        """Return that the node's clock runs much slower or faster than real time, None if it does not."""
        with self._lock:
            return self._clock.speed_fault()

    def competing_publisher(self) -> str | None:
        """Return on which command topics another node publishes, of whatever type, None for none."""
        topics = [publisher.topic_name for publisher in self._publishers()]
        shared = [topic for topic in topics if self._node.count_publishers(topic) > 1]
        return f"another node also publishes on {', '.join(shared)}; stop one of the publishers" if shared else None

    def missing_subscriber(self) -> str | None:
        """Return which commands to a robot nobody receives, None if all are received or none are for a robot."""
        unheard = [publisher.topic_name for publisher in self._publishers() if not publisher.get_subscription_count()]
        if not unheard or self._dry_run:
            return None
        other = [topic for topic in unheard if self._node.count_subscribers(topic)]
        if other:
            return f"the subscriber of {', '.join(other)} takes another type of message or has another QoS"
        return f"no subscriber of {', '.join(unheard)}; start the robot's controllers or map the topics"

    def close(self, reason: str) -> None:
        """Close and send the stop, moving or not; return when the robot's side has received it (at most 0.5 s).

        A stop that cannot be published is tried again for half a second, and by the next call.
        """
        with self._lock:
            was_open, self._open = self._open, False
            if not was_open and not self._pending_stop:
                return
            self.guard.pause("closed", reason)
            self._pending_stop = True
            for _ in range(_STOP_ATTEMPTS):
                self._flush_pending_stop()
                if not self._pending_stop:
                    break
                time.sleep(_STOP_RETRY_S)
        self._arm.publisher.wait_for_all_acked(Duration(nanoseconds=500_000_000))

    def destroy(self) -> None:
        for publisher in (*self._publishers(), *([self._echo.publisher] if self._echo else [])):
            self._node.destroy_publisher(publisher)

    def _publishers(self) -> list[Publisher]:
        """Return the publishers of commands."""
        return [self._arm.publisher, *([self._gripper_publisher] if self._gripper_publisher else [])]

    def _stop(self, kind: str, reason: str, latch: bool) -> None:
        before = self.guard.state, self.guard.kind
        self._pending_stop |= self.guard.stop(kind, reason, latch)
        self._flush_pending_stop()
        if (self.guard.state, self.guard.kind) != before:
            self._stop_is_logged = True
            self._node.get_logger().warning(f"stopped: {clean(reason)}")

    def _flush_pending_stop(self) -> None:
        if not self._pending_stop:
            return
        try:
            self._publish_stop()
            self._pending_stop = False
        except Exception as error:  # the watchdog tries again
            self._node.get_logger().error(f"the stop could not be sent: {error}", throttle_duration_sec=1.0)

    def _publish_stop(self) -> None:
        """Publish the stop of the arm; the gripper keeps holding what it holds."""
        stamp = max(self._now(), self._frame_stamp)
        self._arm.stop(stamp)
        if self._echo:
            self._echo.stop(stamp)

    def _frame_fault(self, frame: Frame, now: int, arrived: float) -> tuple[str, str | None]:
        """Return kind and reason of a fault that forbids acting on a frame; the reason is None without a fault."""
        standstill = self._clock.standstill_at_frame(arrived)
        is_new = self._frame_stamp < frame.stamp <= now  # a simulator in lock step sends a frame again if it was lost
        clock = (None if is_new else standstill) or self._speed_fault()
        if clock:
            return "clock", clock
        for stream, stamp in frame.stamps.items():
            fault = age_fault(stamp, now, self._max_age)
            if fault:
                return "data age", f"{stream}: {fault}"
        competing = self.competing_publisher() if self._exclusive else None
        if competing:
            return "rival", competing
        return "joints", self._joint_limits.fault(frame.proprioception)

    def _speed_fault(self) -> str | None:
        """Return that the clock's speed makes timeouts wrong for a real arm; a simulated one has the clock's time."""
        return None if self._simulated else self._clock.speed_fault()

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds

"""Subscriptions to the contract's streams; messages become frames through the same code as those of a bag."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState

from lossless_ros.contract import JOINT_STATES, Contract, Robot, check_names
from lossless_ros.control.stream_timing import StreamTiming
from lossless_ros.errors import DataError
from lossless_ros.observation.frames import Aligner, Frame, Lane
from lossless_ros.observation.joints import JointInventory
from lossless_ros.observation.messages import decode, stamp_ns
from lossless_ros.observation.streams import stream_topic, stream_type, type_fault
from lossless_ros.observation.timing import SLOWEST
from lossless_ros.ros_environment import PROFILE_VARIABLES, profile_path

_LOSS_HINT = (  # the variables' names: from Kilted on, and before
    f"is its shared memory too small? run its driver with {' and '.join(PROFILE_VARIABLES)} set to {profile_path()}"
)
TRANSPORTS = ("auto", "raw", "compressed")
_KINDS: dict[str, Any] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/PoseStamped": PoseStamped,
}


class ObservationSubscriber:
    """Frames from live topics; `on_frame` gets each as soon as it is complete, in the executor's thread.

    All subscriptions are best effort: they match reliable and best-effort publishers alike. With transport `auto` a
    camera is taken raw unless only its compressed topic is published (see `refresh_subscriptions`).
    """

    def __init__(
        self, node: Node, contract: Contract, robot: Robot, transport: str, on_frame: Callable[[Frame], None]
    ) -> None:
        check_names(robot, contract)
        self.contract = contract
        self.frames = 0  # complete frames so far
        self.rejected: Counter[str] = Counter()  # unusable messages per stream
        self.faults: dict[str, str] = {}  # what is wrong with the newest message of a stream
        self.aligner = Aligner(contract)
        self.timing = StreamTiming(contract)  # of the stamps
        self._lock = threading.Lock()  # of the aligner
        self._node, self._robot, self._on_frame = node, robot, on_frame
        self._auto = transport == "auto"
        self._joints = JointInventory(contract, robot)
        self._type_faults: dict[str, str] = {}
        self._faulty_names: dict[str, list[str]] = {}  # joints of a stream's message that could not be used
        self._arrivals: dict[Lane, deque[float]] = {
            (stream, part): deque(maxlen=64) for stream in contract.streams for part in contract.parts(stream)
        }
        self._subscriptions = {
            stream: self._subscribe(stream, compressed=transport == "compressed") for stream in contract.streams
        }

    def topic(self, stream: str) -> str:
        """Return the topic to which a stream is subscribed, with its namespace."""
        return self._subscriptions[stream].topic_name

    def refresh_subscriptions(self) -> list[str]:
        """Switch cameras of which only the compressed topic is published to it; return streams with no publisher.

        A topic that is published with another type is reported by `type_faults`.
        """
        missing = []
        for stream, subscription in list(self._subscriptions.items()):
            topic = subscription.topic_name
            if self._node.count_publishers(topic):
                self._check_type(stream, topic)
                continue
            compressed = self._topic(stream, compressed=True)
            if self._auto and self._is_camera(stream) and self._node.count_publishers(compressed):
                self._subscriptions[stream] = self._subscribe(stream, compressed=True)
                self._node.destroy_subscription(subscription)
            else:
                missing.append(stream)
        return missing

    def age(self, stream: str) -> float | None:
        """Return the time since the stream's last message arrived [s], None before the first one.

        Of joints that come in messages of their own, the oldest one counts.
        """
        ages = self._ages(stream).values()
        return None if None in ages else max(age for age in ages if age is not None)

    def rate(self, stream: str) -> float:
        """Return the stream's messages per second, over its last messages (up to 64) and the silence since.

        Of joints that come in messages of their own, the slowest one counts.
        """
        return min(_rate(list(self._arrivals[stream, part])) for part in self.contract.parts(stream))

    def silent_topics(self, seconds: float) -> str:
        """Return the topics on which nothing arrived for this long, as text; empty for none.

        Of a topic on which only some joints arrive, the others are named.
        """
        return ", ".join(filter(None, (self._silence(stream, seconds) for stream in self.contract.streams)))

    def type_faults(self) -> str:
        """Return which topics are published with another type, as text; empty for none. See `refresh_subscriptions`."""
        return "; ".join(self._type_faults.values())

    def fault(self) -> str:
        """Return what is wrong with the streams at the moment; empty if nothing is."""
        silent = self.silent_topics(2 / self.contract.rate_hz)
        bad = [f"{self.topic(stream)}: {reason}" for stream, reason in list(self.faults.items())]
        bad += [*self._type_faults.values(), *([f"nothing new on {silent}"] if silent else [])]
        return "; ".join(bad)

    def timing_warnings(self) -> list[str]:
        """Return which streams have wrong stamps, are slower than the contract or lose messages."""
        stamps = self._named(self.timing.stamp_fault)
        slow = self._named(self.timing.rate_fault)
        return [*stamps, *slow, *(f"{loss}; {_LOSS_HINT}" for loss in self._named(self.timing.loss))]

    def timing_fault(self) -> tuple[str, str]:
        """Return kind and reason of a stop for the streams' timing, empty for none.

        Samples stamped ahead of the clock must not be used: they would count as new when they are old.
        """
        stamps = self._named(self.timing.stamp_fault)
        slow = self._named(lambda stream: self.timing.rate_fault(stream, SLOWEST))
        return "stamps" if stamps else "rate" if slow else "", "; ".join(stamps or slow)

    def timing_text(self) -> str:
        """Return rate and offset of every stream, in one line."""
        return ", ".join(map(self._timing_text, self.contract.streams))

    def restart(self) -> None:
        """Drop all samples: the next frame is built from messages that arrive from now on. Thread-safe."""
        with self._lock:
            self.aligner.reset()

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)

    def _named(self, fault_of: Callable[[str], str | None]) -> list[str]:
        """Return the faults of all streams, each after its topic."""
        faults = {stream: fault_of(stream) for stream in self.contract.streams}
        return [f"{self.topic(stream)}: {fault}" for stream, fault in faults.items() if fault]

    def _timing_text(self, stream: str) -> str:
        rate, offset = self.timing.rate(stream), self.timing.offset(stream)
        hertz = f" at {rate:.1f} Hz" if rate else ""
        age = "" if offset is None else f" stamped {offset:.3f} s before arrival"
        return f"{self.topic(stream)}{hertz}{age}"

    def _is_camera(self, stream: str) -> bool:
        return any(camera.name == stream for camera in self.contract.cameras)

    def _topic(self, stream: str, compressed: bool) -> str:
        return self._node.resolve_topic_name(stream_topic(self.contract, self._robot, stream, compressed))

    def _subscribe(self, stream: str, compressed: bool) -> Subscription:
        topic = self._topic(stream, compressed and self._is_camera(stream))
        kind = _KINDS[stream_type(self.contract, stream, topic)]
        return self._node.create_subscription(
            kind, topic, lambda msg: self.receive(stream, msg), qos_profile_sensor_data
        )

    def _check_type(self, stream: str, topic: str) -> None:
        types = [endpoint.topic_type for endpoint in self._node.get_publishers_info_by_topic(topic)]
        fault = type_fault(topic, types, stream_type(self.contract, stream, topic))
        if fault:
            self._type_faults[stream] = fault
        else:
            self._type_faults.pop(stream, None)

    def _ages(self, stream: str) -> dict[str, float | None]:
        """Return the time since each part of a stream arrived [s], None before the first time."""
        now = time.monotonic()
        arrivals = {part: self._arrivals[stream, part] for part in self.contract.parts(stream)}
        return {part: now - times[-1] if times else None for part, times in arrivals.items()}

    def _silence(self, stream: str, seconds: float) -> str:
        """Return a stream's topic if nothing, or not every joint, arrived for this long [s]; else empty text."""
        ages = self._ages(stream)
        silent = [part for part, age in ages.items() if age is None or age > seconds]
        if not silent:
            return ""
        lacking = silent if len(silent) < len(ages) else self._joints.never_seen
        others = stream == JOINT_STATES and lacking and self._joints.seen
        return f"{self.topic(stream)} ({self._joints.missing_text(lacking)})" if others else self.topic(stream)

    def receive(self, stream: str, msg: Any) -> None:
        """Take a message of a stream, as its subscription does."""
        names = list(getattr(msg, "name", []))
        try:
            sample = decode(self.contract, self._robot, stream, msg)
        except DataError as error:
            self._arrived(stream, [""])
            self.rejected[stream] += 1
            self.faults[stream] = str(error)
            self._faulty_names[stream] = names
            self._node.get_logger().error(f"{self.topic(stream)}: {error}", throttle_duration_sec=2.0)
            return
        if stream == JOINT_STATES:
            self._joints.add(msg)
        self._arrived(stream, sample)
        if self._faulty_names.get(stream) == names:  # what else comes on the topic does not mend it
            self.faults.pop(stream, None)
        self.timing.add(stream, sample, stamp_ns(msg), self._node.get_clock().now().nanoseconds)
        with self._lock:
            frames = self.aligner.push(stream, stamp_ns(msg), sample)
        for frame in frames:
            self.frames += 1
            self._on_frame(frame)

    def _arrived(self, stream: str, parts: Iterable[str]) -> None:
        for part in parts:
            if (stream, part) in self._arrivals:
                self._arrivals[stream, part].append(time.monotonic())


def _rate(arrivals: list[float]) -> float:
    """Return messages per second from their times of arrival [s] until now."""
    return (len(arrivals) - 1) / max(time.monotonic() - arrivals[0], 1e-9) if len(arrivals) > 1 else 0.0

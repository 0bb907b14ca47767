"""Subscriptions to the contract's streams; messages become frames through the same code as those of a bag."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState

from lossless_ros.contract import JOINT_STATES, Contract, Robot
from lossless_ros.errors import DataError
from lossless_ros.observation.frames import Aligner, Frame
from lossless_ros.observation.messages import decode, stamp_ns

TRANSPORTS = ("auto", "raw", "compressed")


class ObservationSubscriber:
    """Frames from live topics; `on_frame` gets each as soon as it is complete, in the executor's thread.

    All subscriptions are best effort: they match reliable and best-effort publishers alike. With transport `auto` a
    camera is taken raw unless only its compressed topic is published (see `refresh_subscriptions`).
    """

    def __init__(
        self, node: Node, contract: Contract, robot: Robot, transport: str, on_frame: Callable[[Frame], None]
    ) -> None:
        self.contract = contract
        self.frames = 0  # complete frames so far
        self.rejected: Counter[str] = Counter()  # unusable messages per stream
        self.faults: dict[str, str] = {}  # what is wrong with the newest message of a stream
        self.aligner = Aligner(contract)
        self._lock = threading.Lock()  # of the aligner
        self._node, self._robot, self._on_frame = node, robot, on_frame
        self._auto = transport == "auto"
        self._arrivals: dict[str, deque[float]] = {stream: deque(maxlen=64) for stream in contract.streams}
        self._subscriptions = {
            stream: self._subscribe(stream, compressed=transport == "compressed") for stream in contract.streams
        }

    def topic(self, stream: str) -> str:
        """Return the topic to which a stream is subscribed, with its namespace."""
        return self._subscriptions[stream].topic_name

    def refresh_subscriptions(self) -> list[str]:
        """Switch cameras of which only the compressed topic is published to it; return streams with no publisher."""
        missing = []
        for stream, subscription in list(self._subscriptions.items()):
            if self._node.count_publishers(subscription.topic_name):
                continue
            if self._auto and self._is_camera(stream) and self._node.count_publishers(self._compressed_topic(stream)):
                self._subscriptions[stream] = self._subscribe(stream, compressed=True)
                self._node.destroy_subscription(subscription)
            else:
                missing.append(stream)
        return missing

    def age(self, stream: str) -> float | None:
        """Return the time since the stream's last message arrived [s], None before the first one."""
        arrivals = self._arrivals[stream]
        return time.monotonic() - arrivals[-1] if arrivals else None

    def rate(self, stream: str) -> float:
        """Return the stream's messages per second, over its last messages (up to 64) and the silence since."""
        arrivals = list(self._arrivals[stream])
        return (len(arrivals) - 1) / max(time.monotonic() - arrivals[0], 1e-9) if len(arrivals) > 1 else 0.0

    def silent_topics(self, seconds: float) -> str:
        """Return the topics on which nothing arrived for this long, as text; empty for none."""
        ages = {stream: self.age(stream) for stream in self.contract.streams}
        return ", ".join(self.topic(s) for s, age in ages.items() if age is None or age > seconds)

    def fault(self) -> str:
        """Return what is wrong with the streams at the moment; empty if nothing is."""
        silent = self.silent_topics(2 / self.contract.rate_hz)
        bad = [f"{self.topic(stream)}: {reason}" for stream, reason in list(self.faults.items())]
        return "; ".join([*bad, f"nothing new on {silent}"] if silent else bad)

    def restart(self) -> None:
        """Drop all samples: the next frame is built from messages that arrive from now on. Thread-safe."""
        with self._lock:
            self.aligner.reset()

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)

    def _is_camera(self, stream: str) -> bool:
        return any(camera.name == stream for camera in self.contract.cameras)

    def _compressed_topic(self, stream: str) -> str:
        return self._node.resolve_topic_name(f"{self._robot.topic(self.contract.topic(stream))}/compressed")

    def _subscribe(self, stream: str, compressed: bool) -> Subscription:
        kind: Any = JointState if stream == JOINT_STATES else PoseStamped
        topic = self._robot.topic(self.contract.topic(stream))
        if self._is_camera(stream):
            kind = CompressedImage if compressed else Image
            topic = self._compressed_topic(stream) if compressed else topic
        return self._node.create_subscription(
            kind, topic, lambda msg: self._receive(stream, msg), qos_profile_sensor_data
        )

    def _receive(self, stream: str, msg: Any) -> None:
        self._arrivals[stream].append(time.monotonic())
        try:
            sample = decode(self.contract, self._robot, stream, msg)
        except DataError as error:
            self.rejected[stream] += 1
            self.faults[stream] = str(error)
            self._node.get_logger().error(f"{self.topic(stream)}: {error}", throttle_duration_sec=2.0)
            return
        self.faults.pop(stream, None)
        with self._lock:
            frames = self.aligner.push(stream, stamp_ns(msg), sample)
        for frame in frames:
            self.frames += 1
            self._on_frame(frame)

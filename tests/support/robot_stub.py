"""Plain rclpy programs that stand in for what the nodes talk to: a robot, and a controller of a simulated robot."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, TwistStamped
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray

PATIENCE_S = 240.0  # for things that must happen, however slow the machine
CAMERAS = ("basket_front_left", "basket_front_right")
JOINTS = (*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint")
TWISTS, GRIPPERS = "servo_node/delta_twist_cmds", "gripper_controller/commands"


def wait_until(condition: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """Return the first true value of `condition`; fail after `patience` [s]."""
    end = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < end, f"the condition did not become true within {patience:g} s"
        time.sleep(0.02)
    return value


def unchanged(stream: str, msg: Any) -> list[Any]:
    """Return the messages to publish in place of a message: itself."""
    return [msg]


class NodeStub:
    """A node in a context of its own; `begin` serves its callbacks in a thread until `close`."""

    def __init__(self, name: str, domain_id: int, namespace: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = Node(name, context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closed.is_set():
            self._executor.spin_once(timeout_sec=0.1)


class RobotStub(NodeStub):
    """Publishes the contract's topics at 20 Hz, each message with its own stamp, and records commands and diagnostics.

    `cameras` switches the cameras off; `corrupt` returns what is published in place of a message of a stream.
    """

    def __init__(self, domain_id: int, namespace: str, compressed: bool = False, reliable: bool = False) -> None:
        self.commands: list[TwistStamped] = []
        self.grippers: list[float] = []
        self.dry_run_commands: list[TwistStamped] = []
        self.diagnostics: list[dict[str, str]] = []
        self.cameras = True
        self.corrupt: Callable[[str, Any], list[Any]] = unchanged
        super().__init__("robot", domain_id, namespace)
        qos = 10 if reliable else qos_profile_sensor_data
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        self._images = [self.node.create_publisher(kind, f"{c}/image_raw{suffix}", qos) for c in CAMERAS]
        self._joints = self.node.create_publisher(JointState, "joint_states", qos)
        self._pose = self.node.create_publisher(PoseStamped, "tcp_pose", qos)
        self.node.create_subscription(TwistStamped, TWISTS, self.commands.append, 10)
        self.node.create_subscription(Float64MultiArray, GRIPPERS, lambda msg: self.grippers.append(msg.data[0]), 10)
        self.node.create_subscription(TwistStamped, "inference_node/would_send", self.dry_run_commands.append, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
        self.node.create_timer(0.05, self._publish)
        self.begin()

    @property
    def moving(self) -> bool:
        """Return whether the newest command is a motion."""
        return bool(self.commands) and any(self.velocity(self.commands[-1]))

    @staticmethod
    def velocity(msg: TwistStamped) -> tuple[float, ...]:
        """Return the six components of a twist."""
        return tuple(getattr(getattr(msg.twist, part), axis) for part in ("linear", "angular") for axis in "xyz")

    def call(self, service: str, kind: Any, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=PATIENCE_S)
        future = client.call_async(request)
        wait_until(future.done)
        return future.result()

    def set_parameter(self, name: str, value: Any) -> Any:
        """Set a parameter of the inference node and return the result."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call("inference_node/set_parameters", SetParameters, request).results[0]

    def change_state(self, transition: str) -> bool:
        """Request a lifecycle transition of the inference node; return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self.call("inference_node/change_state", ChangeState, request).success

    def _now(self) -> Any:
        return self.node.get_clock().now().to_msg()

    def _publish(self) -> None:
        joints = JointState(name=JOINTS, position=[0.0] * 7 + [0.4])
        joints.header.stamp = self._now()
        self._send("joint_states", self._joints, joints)
        pose = PoseStamped()
        pose.header.stamp = self._now()
        pose.pose.position.x, pose.pose.position.z = 0.6, 0.2
        self._send("tcp_pose", self._pose, pose)
        for camera, publisher in zip(CAMERAS, self._images if self.cameras else (), strict=False):
            msg = publisher.msg_type()
            msg.header.stamp = self._now()
            if isinstance(msg, Image):
                msg.height, msg.width, msg.encoding, msg.step = 128, 128, "rgb8", 3 * 128
                msg.data.frombytes(self.image.data.cast("B"))
            else:
                import cv2

                msg.format = "jpeg"
                msg.data.frombytes(cv2.imencode(".jpg", self.image)[1].tobytes())
            self._send(camera, publisher, msg)

    def _send(self, stream: str, publisher: Any, msg: Any) -> None:
        for sent in self.corrupt(stream, msg):
            publisher.publish(sent)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.name.startswith(self.node.get_namespace().lstrip("/")):
                values = {pair.key: pair.value for pair in status.values}
                self.diagnostics.append({"level": status.level[0], "message": status.message, **values})


class SimTimeRobotStub(RobotStub):
    """A robot stub in simulated time: its clock is `offset` [s] ahead, and stands still unless `ticking`."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        self.offset = 1000.0
        self.ticking = True
        self._start = time.monotonic()
        self._clock: Any = None
        super().__init__(domain_id, namespace)
        self._clock = self.node.create_publisher(Clock, "clock", 10)

    def _now(self) -> Any:
        nanoseconds = int(1e9 * (time.monotonic() - self._start + self.offset))
        return Time(nanoseconds=nanoseconds).to_msg()

    def _publish(self) -> None:
        if self._clock and self.ticking:
            self._clock.publish(Clock(clock=self._now()))
            super()._publish()


class ControllerStub(NodeStub):
    """Answers every pair of images of a simulated robot with the same gripper command and twist.

    If not `answering` from the start, it only records, and has no publishers that would compete with a controller.
    """

    def __init__(self, domain_id: int, namespace: str, answering: bool = True) -> None:
        super().__init__("controller", domain_id, namespace)
        self.images: dict[int, dict[str, Image]] = {}  # by stamp [ns], then camera
        self.joints: dict[int, JointState] = {}
        self.tool: list[tuple[float, float, float]] = []  # positions of the tool center [m]
        self.clock: list[int] = []
        self.answering = answering
        if answering:
            self._twists = self.node.create_publisher(TwistStamped, TWISTS, 10)
            self._grippers = self.node.create_publisher(Float64MultiArray, GRIPPERS, 10)
        for camera in CAMERAS:
            topic = f"{camera}/image_raw"
            self.node.create_subscription(
                Image, topic, lambda msg, camera=camera: self._on_image(camera, msg), qos_profile_sensor_data
            )
        self.node.create_subscription(JointState, "joint_states", self._on_joints, qos_profile_sensor_data)
        self.node.create_subscription(PoseStamped, "tcp_pose", self._on_pose, qos_profile_sensor_data)
        self.node.create_subscription(Clock, "/clock", lambda msg: self.clock.append(_ns(msg.clock)), 10)
        self.begin()

    def _on_pose(self, msg: PoseStamped) -> None:
        position = msg.pose.position
        self.tool.append((position.x, position.y, position.z))

    def _on_joints(self, msg: JointState) -> None:
        self.joints[_ns(msg.header.stamp)] = msg

    def _on_image(self, camera: str, msg: Image) -> None:
        images = self.images.setdefault(_ns(msg.header.stamp), {})
        images[camera] = msg
        if len(images) == len(CAMERAS) and self.answering:
            twist = TwistStamped()
            twist.header.stamp = msg.header.stamp
            twist.twist.linear.x = 0.02
            self._grippers.publish(Float64MultiArray(data=[0.8]))
            self._twists.publish(twist)


def _ns(stamp: Any) -> int:
    return stamp.sec * 10**9 + stamp.nanosec

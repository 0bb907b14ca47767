"""Real nodes as processes, a robot made of plain rclpy, and a world of their own for every test."""

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from lossless_ros.nodes.dds import stay_on_this_machine, use_profile  # noqa: E402

PATIENCE_S = 120.0  # for things that must happen, however slow the machine
CAMERAS = ("basket_front_left", "basket_front_right")
JOINTS = (*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint")


class World:
    """A domain and a namespace of their own, loopback only; `close` ends the processes in it."""

    def __init__(self) -> None:
        self.domain_id = random.SystemRandom().randint(1, 101)
        self.namespace = f"/test_{secrets.token_hex(4)}"
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        for environment in (self._environment, os.environ):  # the processes', and that of the test's own robot
            stay_on_this_machine(environment, self.domain_id)
            use_profile(environment)
        self._processes: list[subprocess.Popen[str]] = []
        self._closing: list[Callable[[], None]] = []

    def wait_until(self, what: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
        """The first true value of `what`; fails when there was none in time."""
        return _wait_until(what, patience)

    def start(self, name: str, *remaps: str, **parameters: Any) -> "subprocess.Popen[str]":
        """Start a node of the package with parameters (`__` in a name stands for a dot)."""
        arguments = [
            w for key, value in parameters.items() for w in ("-p", f"{key.replace('__', '.')}:={_text(value)}")
        ]
        arguments += [w for rule in (f"__ns:={self.namespace}", *remaps) for w in ("-r", rule)]
        process = subprocess.Popen(
            [sys.executable, "-m", f"lossless_ros.nodes.{name}", "--ros-args", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def robot(self, **options: Any) -> "Robot":
        robot = Robot(self.domain_id, self.namespace, **options)
        self._closing.append(robot.close)
        return robot

    def close(self) -> None:
        for close in self._closing:
            close()
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


class Robot:
    """Publishes the contract's topics at 20 Hz, every message stamped for itself, and notes the commands it gets."""

    def __init__(self, domain_id: int, namespace: str, compressed: bool = False, reliable: bool = False) -> None:
        self.commands: list[TwistStamped] = []
        self.grippers: list[float] = []
        self.would: list[TwistStamped] = []
        self.diagnostics: list[dict[str, str]] = []
        self.cameras = self.publishing = True
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = Node("robot", context=self._context, namespace=namespace)
        qos = 10 if reliable else qos_profile_sensor_data
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        self._images = [self.node.create_publisher(kind, f"{c}/image_raw{suffix}", qos) for c in CAMERAS]
        self._joints = self.node.create_publisher(JointState, "joint_states", qos)
        self._pose = self.node.create_publisher(PoseStamped, "tcp_pose", qos)
        self.node.create_subscription(TwistStamped, "servo_node/delta_twist_cmds", self.commands.append, 10)
        self.node.create_subscription(
            Float64MultiArray, "gripper_controller/commands", lambda msg: self.grippers.append(msg.data[0]), 10
        )
        self.node.create_subscription(TwistStamped, "inference_node/would_send", self.would.append, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
        self.node.create_timer(0.05, self._publish)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    @property
    def moving(self) -> bool:
        """Whether the newest command is one to move."""
        return bool(self.commands) and any(self.velocity(self.commands[-1]))

    @staticmethod
    def velocity(msg: TwistStamped) -> tuple[float, ...]:
        """All six components of a twist."""
        return tuple(getattr(getattr(msg.twist, part), axis) for part in ("linear", "angular") for axis in "xyz")

    def call(self, service: str, kind: Any, request: Any) -> Any:
        """The response of a service."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=PATIENCE_S)
        future = client.call_async(request)
        _wait_until(future.done)
        return future.result()

    def set_parameter(self, name: str, value: Any) -> Any:
        """The result of setting a parameter of the inference node."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call("inference_node/set_parameters", SetParameters, request).results[0]

    def change_state(self, transition: str) -> bool:
        """Whether the inference node made the lifecycle transition of that name."""
        request = ChangeState.Request()
        request.transition.label = transition
        return self.call("inference_node/change_state", ChangeState, request).success

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._over.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _now(self) -> Any:
        return self.node.get_clock().now().to_msg()

    def _publish(self) -> None:
        if not self.publishing:
            return
        joints = JointState(name=JOINTS, position=[0.0] * 7 + [0.4])
        joints.header.stamp = self._now()
        self._joints.publish(joints)
        pose = PoseStamped()
        pose.header.stamp = self._now()
        pose.pose.position.x, pose.pose.position.z = 0.6, 0.2
        self._pose.publish(pose)
        for publisher in self._images if self.cameras else ():
            msg = publisher.msg_type()
            msg.header.stamp = self._now()
            if isinstance(msg, Image):
                msg.height, msg.width, msg.encoding, msg.step = 128, 128, "rgb8", 3 * 128
                msg.data.frombytes(self._picture.data.cast("B"))
            else:
                import cv2

                msg.format = "jpeg"
                msg.data.frombytes(cv2.imencode(".jpg", self._picture)[1].tobytes())
            publisher.publish(msg)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.name.startswith(self.node.get_namespace().lstrip("/")):
                values = {pair.key: pair.value for pair in status.values}
                self.diagnostics.append({"level": status.level[0], "message": status.message, **values})


def _wait_until(what: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    end = time.monotonic() + patience
    while not (value := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="session")
def make_world() -> type[World]:
    return World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy on the real backbone, with adapters everywhere and a random head that moves the arm."""
    return _bundle(tmp_path_factory.mktemp("bundle") / "triplet1.safetensors", "rgb_stacking/triplet1", seed=1)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tasks' bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        _bundle(folder / f"triplet{seed}.safetensors", f"rgb_stacking/triplet{seed}", seed)
    return folder


def _bundle(path: Path, task: str, seed: int) -> Path:
    import torch

    from lossless_ros.contract import load_contract
    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.bundle import Bundle, save_bundle
    from lossless_ros.models.network import Network
    from lossless_ros.models.network_config import NetworkConfig

    backbone, contract = load_backbone("tf_efficientnet_lite0"), load_contract("rgb_stacking")
    config = NetworkConfig(("bottom", "middle", "top"), 4, 3, 128, 64, 2, (16,))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(config, backbone, contract)
    name, fingerprint = backbone.name, backbone.fingerprint
    save_bundle(path, Bundle(task, "adapters", contract, name, fingerprint, config), network.state_dict())
    return path

"""Rates and stamps of live streams, from message to command and diagnostics, with messages in place of topics."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import Image, JointState

from lossless_ros.contract import load_contract
from lossless_ros.nodes.inference import policy_runner
from lossless_ros.nodes.inference.parameters import PARAMETERS
from lossless_ros.nodes.inference.policy_runner import PolicyRunner
from lossless_ros.ros_environment import stay_on_this_machine

CONTRACT = load_contract("rgb_stacking")
CAMERAS = [camera.name for camera in CONTRACT.cameras]
Change = Callable[[str, int], list[int]]  # (stream, stamp [ns]) -> the stamps of the messages to send in its place


class PolicyDouble:
    """Moves the arm."""

    contract = CONTRACT
    bundle_hash = device = runtime = precision = "none"

    def act(self, frame: Any) -> np.ndarray:
        return np.array([0.01, 0, 0, 0, 1], np.float32)

    def reset(self) -> None:
        pass


class PoliciesDouble:
    """One task, without a bundle."""

    task, tasks, active = "pick", ("pick",), PolicyDouble()

    def __init__(self, *arguments: Any) -> None:
        pass

    def __getitem__(self, task: str) -> PolicyDouble:
        return self.active

    def warm_up(self) -> None:
        pass

    def reset(self) -> None:
        pass


class WorkerDouble:
    """Answers every frame at once, in the same thread."""

    skipped = 0

    def __init__(self, act: Callable[[Any, float], None], prepare: Callable[[], None]) -> None:
        self._act = act

    def submit(self, frame: Any) -> None:
        self._act(frame, policy_runner.time.monotonic())

    def close(self) -> None:
        pass


class WatchdogDouble:
    """Checks nothing: this test's time does not pass in real time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Robot:
    """Gives a configured node the messages of a robot, by a clock that the test sets."""

    def __init__(self, node: Node, **given: Any) -> None:
        self.now = 1_700_000_000_000_000_000  # ns
        node.get_clock().now = lambda: Time(nanoseconds=self.now)  # type: ignore[method-assign]
        parameters = {row.name: row.default for row in PARAMETERS} | given
        self.runner = PolicyRunner(node, parameters)
        self.runner.activate()
        self.runner._reporter.active_since = 0.0  # some time ago
        self.runner._reporter._publisher = self  # type: ignore[assignment]
        self.status = DiagnosticStatus()

    def publish(self, msg: Any) -> None:
        """Take the node's diagnostics."""
        self.status = msg.status[0]

    def run(self, seconds: float, change: Change = lambda stream, stamp: [stamp], rate: float = 20.0) -> int:
        """Send all streams at this rate [Hz]; return the number of commands."""
        before = self.runner._commands.sent
        for _ in range(round(seconds * rate)):
            self.now += round(1e9 / rate)
            for stream in reversed(CONTRACT.streams):
                for stamp in change(stream, self.now):
                    self.runner._observations.receive(stream, message(stream, stamp))
        self.runner._reporter.report()
        return self.runner._commands.sent - before

    def value(self, key: str) -> str:
        return next(pair.value for pair in self.status.values if pair.key == key)


def message(stream: str, stamp: int) -> Any:
    if stream in CAMERAS:
        msg: Any = Image(height=128, width=128, encoding="rgb8", step=3 * 128, data=bytes(3 * 128 * 128))
    elif stream == "joint_states":
        joints = list(CONTRACT.joints())
        msg = JointState(name=joints, position=[0.1] * len(joints))
    else:
        msg = PoseStamped()
        msg.pose.position.x, msg.pose.position.z = 0.6, 0.2
    msg.header.stamp = Time(nanoseconds=stamp).to_msg()
    return msg


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    environment: dict[str, str] = {}
    domain = random.SystemRandom().randint(1, 101)
    stay_on_this_machine(environment, domain)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, double in (
        ("TaskPolicies", PoliciesDouble),
        ("InferenceWorker", WorkerDouble),
        ("Watchdog", WatchdogDouble),
    ):
        monkeypatch.setattr(policy_runner, name, double)
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node("inference_node", context=context)
    monkeypatch.setattr(policy_runner.ObservationSubscriber, "refresh_subscriptions", lambda self: [])
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def robot(node: Node) -> Robot:
    return Robot(node)


def every(number: int, streams: list[str], of: int = 5) -> Change:
    """Let only `number` of `of` messages of the streams through, as evenly as possible."""
    counts = dict.fromkeys(streams, 0)

    def change(stream: str, stamp: int) -> list[int]:
        if stream not in counts:
            return [stamp]
        counts[stream] += number
        return [stamp] if counts[stream] % of < number else []

    return change


def test_streams_at_the_contracts_rate_move_the_arm_without_a_warning(robot: Robot) -> None:
    assert robot.run(3.0) == 60
    assert robot.status.level == DiagnosticStatus.OK and robot.status.message == "moving"
    assert robot.value("tcp_pose stamp rate [Hz]") == "20.0" and robot.value("tcp_pose offset [s]") == "0.000"


def test_commands_that_nobody_receives_are_a_warning(node: Node) -> None:
    robot = Robot(node, dry_run=False)
    assert robot.run(3.0) == 60
    assert robot.status.level == DiagnosticStatus.WARN
    assert robot.status.message.startswith("moving; no subscriber of /servo_node/delta_twist_cmds, /gripper_controller")


@pytest.mark.parametrize("also", [0, -20_000_000], ids=["twice", "late"])
def test_messages_that_come_twice_or_late_are_harmless(robot: Robot, also: int) -> None:
    assert robot.run(3.0, lambda stream, stamp: [stamp, stamp + also]) >= 59
    assert robot.status.message == "moving"


def test_all_streams_at_8_hz_stop_a_policy_of_20_hz(robot: Robot) -> None:
    robot.run(3.0)
    assert robot.run(5.0, rate=8.0) < 20
    assert robot.status.level == DiagnosticStatus.ERROR
    assert (
        f"stopped; /{CAMERAS[0]}/image_raw: comes at 8.0 Hz, contract 'rgb_stacking' needs 20 Hz"
        in robot.status.message
    )
    assert robot.value("stops by kind") == "rate 1"
    assert robot.run(3.0) > 20 and robot.status.message == "moving"


@pytest.mark.parametrize("stream", CONTRACT.streams)
def test_every_single_slow_stream_stops_the_arm(robot: Robot, stream: str) -> None:
    robot.run(4.0, every(3, [stream], of=5))  # 12 Hz
    assert "comes at 1" in robot.value("last stop") and "Hz" in robot.value("last stop")


def test_stream_a_little_slower_than_the_contract_is_a_warning(robot: Robot) -> None:
    assert robot.run(3.0, rate=18.0) > 50
    assert robot.status.level == DiagnosticStatus.WARN
    assert robot.status.message.startswith("moving; ") and "comes at 18.0 Hz" in robot.status.message


@pytest.mark.parametrize(
    ("change", "text", "offset"),
    [
        (lambda stamp: 0, "its stamps are 0; the driver has to set header.stamp", None),
        (lambda stamp: stamp - 3_000_000_000, "its stamps are 3.000 s behind the node's clock", "3.000"),
        (lambda stamp: stamp + 3_000_000_000, "its stamps are 3.000 s ahead of the node's clock", "-3.000"),
    ],
    ids=["zero", "behind", "ahead"],
)
@pytest.mark.parametrize("stream", ["joint_states", "tcp_pose", CAMERAS[1]])
def test_wrong_stamps_are_named_with_their_topic(
    robot: Robot, stream: str, change: Callable[[int], int], text: str, offset: str | None
) -> None:
    sent = robot.run(5.0, lambda name, stamp: [change(stamp) if name == stream else stamp])
    assert sent == 0  # also when stamps ahead of the clock have come true: those samples are old
    assert robot.status.level >= DiagnosticStatus.WARN
    topic = CONTRACT.topic(stream)
    assert f"/{topic}: {text}" in robot.status.message
    assert text in robot.value(f"{stream} fault")
    assert offset is None or robot.value(f"{stream} offset [s]") == offset


def test_lost_images_are_reported_with_the_way_out(robot: Robot) -> None:
    rng = np.random.default_rng(0)
    robot.run(6.0, lambda name, stamp: [] if name == CAMERAS[0] and rng.random() < 0.6 else [stamp], rate=60.0)
    assert f"/{CAMERAS[0]}/image_raw: is published at 60 Hz, received at 2" in robot.status.message
    assert "run its driver with FASTDDS_DEFAULT_PROFILES_FILE and FASTRTPS_" in robot.status.message

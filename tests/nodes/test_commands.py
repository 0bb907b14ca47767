"""Commands in one process: who else publishes, who listens, and a clock that does not run."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.context import Context
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Float32MultiArray, Float64MultiArray

from lossless_ros.contract import GRIPPER_TOPIC, TWIST_TOPIC, Robot, load_contract, load_robot
from lossless_ros.control import clock_monitor
from lossless_ros.control.guard import Guard
from lossless_ros.control.limits import Limits, LimitSettings
from lossless_ros.nodes.inference.commands import Commands
from lossless_ros.observation.frames import Frame
from lossless_ros.ros_environment import stay_on_this_machine
from tests.support.robot_stub import wait_until

CONTRACT = load_contract("rgb_stacking")
STEP_S = 0.05


@pytest.fixture
def make_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Node]]:
    """Make nodes, each a participant of its own as in another process."""
    environment: dict[str, str] = {}
    domain = random.SystemRandom().randint(1, 101)
    stay_on_this_machine(environment, domain)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made: list[tuple[Node, Context]] = []

    def make(name: str, **options: Any) -> Node:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        made.append((Node(name, context=context, **options), context))
        return made[-1][0]

    yield make
    for node, context in made:
        node.destroy_node()
        context.try_shutdown()


def make_commands(node: Node, robot: Robot | None = None, dry_run: bool = False) -> Commands:
    guard = Guard(Limits.for_action(CONTRACT.action, LimitSettings()), STEP_S)
    return Commands(node, CONTRACT, robot or Robot(), guard, "twist", dry_run, True)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (TWIST_TOPIC, TwistStamped),
        (TWIST_TOPIC, Twist),
        (GRIPPER_TOPIC, Float64MultiArray),
        (GRIPPER_TOPIC, Float32MultiArray),
    ],
)
def test_another_publisher_is_noticed_whatever_its_topic_and_type(
    make_node: Callable[..., Node], topic: str, kind: Any
) -> None:
    commands = make_commands(make_node("inference_node"))
    assert commands.competing_publisher() is None
    other = make_node("teleoperation")
    publisher = other.create_publisher(kind, topic, 1)
    expected = f"another node also publishes on /{topic}; stop one of the publishers"
    wait_until(lambda: commands.competing_publisher() == expected)
    other.destroy_publisher(publisher)
    wait_until(lambda: commands.competing_publisher() is None)


def test_commands_that_nobody_receives_are_noticed(make_node: Callable[..., Node]) -> None:
    commands = make_commands(make_node("inference_node"))
    both = f"no subscriber of /{TWIST_TOPIC}, /{GRIPPER_TOPIC}; start the robot's controllers or map the topics"
    assert commands.missing_subscriber() == both
    make_node("gripper").create_subscription(Float64MultiArray, GRIPPER_TOPIC, print, 1)
    wait_until(lambda: "gripper" not in str(commands.missing_subscriber()))
    make_node("wrong").create_subscription(Twist, TWIST_TOPIC, print, 1)
    other = f"the subscriber of /{TWIST_TOPIC} takes another type of message or has another QoS"
    wait_until(lambda: commands.missing_subscriber() == other)
    make_node("servo").create_subscription(TwistStamped, TWIST_TOPIC, print, 1)
    wait_until(lambda: commands.missing_subscriber() is None)


def test_nobody_has_to_receive_a_dry_run(make_node: Callable[..., Node]) -> None:
    assert make_commands(make_node("inference_node"), dry_run=True).missing_subscriber() is None


class SteadyTime:
    """Stands in for the module `time` of the clock monitor."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class SimulatedRun:
    """Sends a command for a frame of every control period, by a clock that the test sets."""

    def __init__(self, node: Node, robot: Robot, real_time: SteadyTime) -> None:
        self.real_time, self.now = real_time, 1000.0  # the node's clock [s]
        self._node = node
        self._node.get_clock().now = lambda: Time(nanoseconds=round(1e9 * self.now))  # type: ignore[method-assign]
        self.commands = make_commands(node, robot)
        self.commands.open()

    def step(self, speed: float, stamp: float | None = None) -> bool:
        """Let a control period pass by a clock of this speed; return whether the frame was answered."""
        self.real_time.now += STEP_S / max(speed, 1.0)
        self.now += STEP_S * min(speed, 1.0) if speed else 0.0
        fault = self.commands.clock_fault()
        if fault:
            self.commands.stop("clock", fault)
        at = round(1e9 * (self.now if stamp is None else stamp))
        proprioception = np.zeros(CONTRACT.proprioception_dim, np.float32)
        frame = Frame(at, (), proprioception, dict.fromkeys(CONTRACT.streams, at))
        return self.commands.send(frame, np.zeros(5, np.float32), self.real_time.now)


@pytest.fixture
def make_run(make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> Callable[[Robot], SimulatedRun]:
    real_time = SteadyTime()
    monkeypatch.setattr(clock_monitor, "time", real_time)
    return lambda robot: SimulatedRun(make_node("inference_node"), robot, real_time)


@pytest.mark.parametrize("stamps", ["with the clock", "ahead of the clock"])
def test_arm_stays_stopped_until_a_clock_that_stands_runs_again(
    make_run: Callable[[Robot], SimulatedRun], stamps: str
) -> None:
    run = make_run(load_robot("sim"))
    assert all(run.step(1.0) for _ in range(20))
    ahead = 0.001 if stamps == "ahead of the clock" else 0.0
    answered = [run.step(0.0, run.now + ahead * number) for number in range(400)]  # 20 s
    first = answered.index(False)
    assert first * STEP_S <= 5.1 and not any(answered[first:])
    guard = run.commands.guard
    assert guard.stops == {"clock": 1} and "clock has stood still" in guard.reason
    assert all(run.step(1.0) for _ in range(20)) and guard.state == "moving"


def test_frame_that_a_simulator_in_lock_step_sends_again_is_answered(make_run: Callable[[Robot], SimulatedRun]) -> None:
    """The first time it was lost, and the clock stands until it is answered."""
    run = make_run(load_robot("sim"))
    assert all(run.step(1.0) for _ in range(20))
    run.now += STEP_S
    run.commands.clock_fault()
    run.real_time.now += 4.0
    assert run.step(0.0)
    assert not run.step(0.0)  # answered already


def test_slow_clock_stops_a_real_arm(make_run: Callable[[Robot], SimulatedRun]) -> None:
    run = make_run(replace(load_robot("sawyer"), topics={}))
    assert all(run.step(1.0) for _ in range(120)) and run.commands.clock_speed_fault() is None
    answered = [run.step(0.1) for _ in range(200)]
    assert not any(answered[-50:]) and "clock runs at 0.10 times real time" in run.commands.guard.reason
    answered = [run.step(1.0) for _ in range(120)]
    assert answered[-1]


def test_slow_clock_of_a_simulated_arm_is_reported(make_run: Callable[[Robot], SimulatedRun]) -> None:
    run = make_run(load_robot("sim"))
    assert all(run.step(0.1) for _ in range(200))
    assert "clock runs at 0.10 times real time" in str(run.commands.clock_speed_fault())

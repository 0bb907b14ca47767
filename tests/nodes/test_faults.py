"""What goes wrong on a robot, done to a running node from outside: it stops in time, in its limits, and says why."""

import copy
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.time import Time
from std_srvs.srv import Trigger

from tests.support.robot_stub import TWISTS, SimulatedRobot

TASK = "rgb_stacking/triplet"  # and a number: 1 drives well, 2 gives NaN, 3 fails, 4 is slow, 5 knows no moderation
IN_TIME_S = 3.0  # generous: 0.2 s of max_age_s and a period are due, the rest is for slow machines
LIMITS = {
    "safety__linear_acceleration": 0.5,
    "safety__angular_acceleration": 7.0,
    "safety__linear_jerk": 5.0,
    "safety__angular_jerk": 70.0,
    "safety__workspace": [0.45, -0.2, 0.06, 0.604, 0.2, 0.45],  # a wall 4 mm before the tool
}
NOBODY_READS = """
import os
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x")
except BlockingIOError:
    os.set_blocking(2, True)
"""
NO_MORE_CALLBACKS = """
import threading
from lossless_ros.nodes.inference.policy_runner import PolicyRunner
def report(self):
    if self._commands.sent:
        threading.Event().wait()
PolicyRunner._report = report
"""
STOP_IS_NOT_SENT_AT_FIRST = """
from lossless_ros.nodes.inference.command_publishers import TwistPublisher
stop, failed = TwistPublisher.stop, []
def fail_first(self, stamp):
    if len(failed) < 3:
        failed.append(stamp)
        raise RuntimeError("Failed to publish")
    stop(self, stamp)
TwistPublisher.stop = fail_first
"""
BROKEN_MODELS = """
import time
import lossless_ros.models.policy as module
import numpy as np
act, random = module.Policy.act, np.random.default_rng(0)
def act_badly(self, frame):
    if frame.stamp and self.task.endswith("3"):
        raise RuntimeError("out of memory")
    if frame.stamp and self.task.endswith("4"):
        time.sleep(0.6)
    if frame.stamp and self.task.endswith("5"):
        return (random.choice([-1, 0, 1], 5) * self.contract.action.limits).astype(np.float32)
    return act(self, frame)
module.Policy.act = act_badly
"""


@pytest.fixture(scope="module")
def running(make_world: Any, make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A robot in simulated time and an active node; every test leaves it moving."""
    world, folder = make_world(), tmp_path_factory.mktemp("bundles")
    always = (0.4, 0.2, 0.1, 0.0, 5.0)
    for number in (1, 2, 3, 4, 5):
        outputs = (float("nan"), *always[1:]) if number == 2 else always
        make_bundle(folder / f"{number}.safetensors", f"{TASK}{number}", 1, outputs)
    robot = world.peer(SimulatedRobot)
    node = world.start(
        *("inference_node", f"/clock:={world.namespace}/clock"),
        before=BROKEN_MODELS,
        **{"bundles": folder, "task": f"{TASK}1", "autostart": True, "dry_run": False, "use_sim_time": True},
        **{"safety__deadline": 0.5, **LIMITS},
    )
    world.wait_until(lambda: robot.moving and robot.diagnostics)
    yield SimpleNamespace(world=world, robot=robot, folder=folder, node=node)
    check_limits(robot.commands)
    world.close()


def check_limits(commands: list[TwistStamped]) -> None:
    """Speeds, and their changes from one command to the next; a stop may come at any speed."""
    velocities = np.array(
        [[v for i, v in enumerate(SimulatedRobot.velocity(msg)) if i not in (3, 4)] for msg in commands]
    )
    assert (np.abs(velocities) <= np.array([0.07, 0.07, 0.07, 1.0]) + 1e-6).all()
    changes = np.abs(np.diff(velocities, axis=0))[velocities[1:].any(1)]
    most = 0.05 * np.array([*[LIMITS["safety__linear_acceleration"]] * 3, LIMITS["safety__angular_acceleration"]])
    assert (changes <= most + 1e-6).all()


def broken_until_stopped(
    running: Any, reason: str, undo: Callable[[], None], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """The robot gets its stop in time and the reason is told; then all is well again and it moves on."""
    world, robot = running.world, running.robot
    begin, before = time.monotonic(), int(robot.diagnostics[-1]["stops"])
    try:
        world.wait_until(lambda: not robot.moving)
        assert time.monotonic() - begin < IN_TIME_S
        world.wait_until(lambda: told(robot.diagnostics[-1], reason, before))
        meanwhile()
    finally:
        undo()
    world.wait_until(lambda: robot.moving)


def told(report: dict[str, str], reason: str, before: int) -> bool:
    """Whether there was another stop since there were so many, and its reason is said."""
    return int(report["stops"]) > before and (reason in report["message"] or reason in report["last stop"])


def freeze() -> Callable[[str, Any], list[Any]]:
    """The first camera goes on sending its first picture."""
    first: list[Any] = []

    def spoil(stream: str, msg: Any) -> list[Any]:
        if stream != "basket_front_left":
            return [msg]
        first.append(msg)
        return first[:1]

    return spoil


def shifted(stream: str, seconds: int) -> Callable[[str, Any], list[Any]]:
    def spoil(name: str, msg: Any) -> list[Any]:
        if name == stream:
            msg.header.stamp.sec += seconds
        return [msg]

    return spoil


def ahead() -> Callable[[str, Any], list[Any]]:
    """All streams are stamped in the future, so that they agree with each other."""

    def spoil(name: str, msg: Any) -> list[Any]:
        msg.header.stamp.sec += 10
        return [msg]

    return spoil


def changed(stream: str, **fields: Any) -> Callable[[str, Any], list[Any]]:
    """Messages of a stream with other fields; a function is given the old value."""

    def spoil(name: str, msg: Any) -> list[Any]:
        if name == stream:
            for field, value in fields.items():
                setattr(msg, field, value(getattr(msg, field)) if callable(value) else value)
        return [msg]

    return spoil


FAULTS: dict[str, tuple[Callable[[str, Any], list[Any]], str]] = {
    "camera stops": (lambda stream, msg: [] if stream == "basket_front_right" else [msg], "basket_front_right"),
    "camera freezes": (freeze(), "data is"),
    "joints stop": (lambda stream, msg: [] if stream == "joint_states" else [msg], "joint_states"),
    "unknown encoding": (changed("basket_front_left", encoding="yuv9"), "encoding 'yuv9' is not one of"),
    "truncated picture": (changed("basket_front_left", data=lambda d: d[:100]), "does not fit 100 bytes"),
    "camera in the future": (shifted("basket_front_left", 10), "data is"),
    "all in the future": (ahead(), "in the future"),
    "camera in the past": (shifted("basket_front_left", -10), "data is"),
    "joints in the past": (shifted("joint_states", -10), "data is"),
    "joint is missing": (changed("joint_states", name=lambda n: n[1:], position=lambda p: p[1:]), "no position of"),
    "joint is renamed": (changed("joint_states", name=lambda n: ["elbow", *n[1:]]), "no position of right_j0"),
    "pose is NaN": (changed("tcp_pose", pose=lambda p: far(p, float("nan"))), "tcp_pose is no pose"),
    "pose is beyond numbers": (changed("tcp_pose", pose=lambda p: far(p, 1e300)), "tcp_pose is no pose"),
    "joint is NaN": (changed("joint_states", position=lambda p: [float("nan"), *p[1:]]), "not finite"),
}


def far(pose: Any, x: float) -> Any:
    pose.position.x = x
    return pose


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_data_stops_the_robot_until_it_is_good_again(running: Any, fault: str) -> None:
    running.robot.spoil, reason = FAULTS[fault]
    broken_until_stopped(running, reason, lambda: setattr(running.robot, "spoil", lambda stream, msg: [msg]))


HARMLESS: dict[str, Callable[[str, Any], list[Any]]] = {
    "joints in another order": changed("joint_states", name=lambda n: n[::-1], position=lambda p: p[::-1]),
    "pictures twice": lambda stream, msg: [msg, copy.deepcopy(msg)],
    "pictures in disorder": lambda stream, msg: [msg, older(msg)] if stream == "basket_front_left" else [msg],
    "other size": lambda stream, msg: [smaller(msg) if stream == "basket_front_left" else msg],
}


def older(msg: Any) -> Any:
    """A picture of 20 ms before, which comes late."""
    late = copy.deepcopy(msg)
    late.header.stamp = Time(nanoseconds=Time.from_msg(msg.header.stamp).nanoseconds - 20_000_000).to_msg()
    return late


def smaller(msg: Any) -> Any:
    """An image of 60 x 80 with padded rows."""
    msg.height, msg.width, msg.step = 60, 80, 256
    msg.data = np.zeros(60 * 256, np.uint8).tobytes()
    return msg


@pytest.mark.parametrize("what", HARMLESS)
def test_what_does_no_harm_does_not_stop_the_robot(running: Any, what: str) -> None:
    world, robot = running.world, running.robot
    robot.spoil, first = HARMLESS[what], len(robot.commands)
    try:
        world.wait_until(lambda: sum(any(robot.velocity(msg)) for msg in robot.commands[first:]) >= 20)
    finally:
        robot.spoil = lambda stream, msg: [msg]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(2, "action is not finite"), (3, "RuntimeError: out of memory"), (4, "twice in a row")],
    ids=["NaN weights", "failing model", "slow model"],
)
def test_broken_model_stops_the_robot_until_another_task_is_chosen(running: Any, number: int, reason: str) -> None:
    assert running.robot.set_parameter("task", f"{TASK}{number}").successful
    back = lambda: running.robot.set_parameter("task", f"{TASK}1")  # noqa: E731
    broken_until_stopped(running, reason, back)


def test_policy_without_moderation_is_kept_within_the_limits(running: Any) -> None:
    robot, first = running.robot, len(running.robot.commands)
    assert robot.set_parameter("task", f"{TASK}5").successful
    running.world.wait_until(lambda: len(robot.commands) >= first + 100)
    assert robot.set_parameter("task", f"{TASK}1").successful
    check_limits(robot.commands[first:])
    assert max(robot.velocity(msg)[1] for msg in robot.commands[first:]) > 0.04  # it did what it could


def test_clock_that_jumps_back_stops_the_robot_and_then_counts_anew(running: Any) -> None:
    """As a bag that is played in a loop does."""
    robot, first = running.robot, len(running.robot.commands)
    before = int(robot.diagnostics[-1]["stops"])
    robot.jump -= 300
    running.world.wait_until(lambda: told(robot.diagnostics[-1], "clock jumped back by", before))
    running.world.wait_until(lambda: robot.moving)
    assert min(abs(robot.velocity(msg)[0]) for msg in robot.commands[first:]) < 0.02  # it began from rest again


def test_clock_that_stands_still_together_with_the_cameras_stops_the_robot(running: Any) -> None:
    """As a simulator does that is killed: by its clock no data ever grows old."""
    robot, before = running.robot, int(running.robot.diagnostics[-1]["stops"])
    robot.ticking = False
    try:
        running.world.wait_until(lambda: not robot.moving)
        running.world.wait_until(lambda: told(robot.diagnostics[-1], "clock has stood still", before))
    finally:
        robot.ticking = True
    running.world.wait_until(lambda: robot.moving)


def test_second_sender_of_commands_stops_the_robot(running: Any) -> None:
    robot = running.robot
    rivals: list[Any] = [robot.node.create_publisher(TwistStamped, TWISTS, 1)]

    def still_stopped() -> None:
        first = len(robot.commands)
        time.sleep(0.5)
        assert not any(any(robot.velocity(msg)) for msg in robot.commands[first:])

    def undo() -> None:
        robot.node.destroy_publisher(rivals.pop())

    broken_until_stopped(running, "somebody else publishes on", undo, still_stopped)


def test_rescan_takes_what_is_new_and_tells_what_is_damaged(running: Any, make_bundle: Any) -> None:
    world, robot, folder = running.world, running.robot, running.folder
    make_bundle(folder / "6.safetensors", f"{TASK}6", 5)
    (folder / "half.safetensors").write_bytes((folder / "1.safetensors").read_bytes()[:5000])
    first = len(robot.commands)
    answer = robot.call("inference_node/rescan", Trigger, Trigger.Request())
    assert answer.success and answer.message.startswith(f"new: {TASK}6; ")
    assert "half.safetensors is no bundle" in answer.message
    assert robot.set_parameter("task", f"{TASK}6").successful and robot.set_parameter("task", f"{TASK}1").successful
    world.wait_until(lambda: len(robot.commands) > first + 10 and robot.moving)


def test_killed_node_says_nothing_more(running: Any) -> None:
    """It cannot send a stop: the controllers' side has to time out, as MoveIt Servo does (docs/robots.md)."""
    robot = running.robot
    assert robot.moving
    running.node.send_signal(signal.SIGKILL)
    running.node.wait()
    time.sleep(0.3)
    n = len(robot.commands)
    time.sleep(0.5)
    assert len(robot.commands) == n


def test_log_that_nobody_reads_holds_up_nothing(world: Any, steady: Path) -> None:
    robot = world.robot()
    node = world.start("inference_node", before=NOBODY_READS, bundles=steady, autostart=True)
    world.wait_until(lambda: robot.moving)
    for _ in range(2):
        robot.cameras = False
        world.wait_until(lambda: not robot.moving)
        robot.cameras = True
        world.wait_until(lambda: robot.moving)
    assert robot.call("inference_node/stop", Trigger, Trigger.Request()).success
    world.wait_until(lambda: not robot.moving)
    node.send_signal(signal.SIGTERM)
    world.wait_until(lambda: node.poll() is not None)
    assert node.returncode == 0


@pytest.mark.parametrize("end", ["fault", "signal"])
def test_stop_that_could_not_be_sent_is_tried_again(world: Any, steady: Path, end: str) -> None:
    robot = world.robot()
    parameters = {"bundles": steady, "autostart": True}
    node = world.start("inference_node", before=STOP_IS_NOT_SENT_AT_FIRST, **parameters)
    world.wait_until(lambda: robot.moving)
    if end == "fault":
        robot.cameras = False
    else:
        node.send_signal(signal.SIGTERM)
    world.wait_until(lambda: not robot.moving)


def test_pictures_that_are_garbage_stop_the_robot(world: Any, steady: Path) -> None:
    robot = world.robot(compressed=True)
    robot.spoil = garbage = changed("basket_front_left", data=lambda d: d[:20] + d[:20])
    world.start("inference_node", bundles=steady, autostart=True)
    reason = "basket_front_left/image_raw/compressed: "
    world.wait_until(lambda: robot.diagnostics and reason in robot.diagnostics[-1]["message"])  # before it ever moved
    assert robot.diagnostics[-1]["message"].startswith("idle; ") and robot.diagnostics[-1]["level"] > 0
    undo = lambda: setattr(robot, "spoil", lambda stream, msg: [msg])  # noqa: E731
    undo()
    world.wait_until(lambda: robot.moving)
    robot.spoil = garbage
    broken_until_stopped(SimpleNamespace(world=world, robot=robot), reason, undo)


def test_callback_that_never_returns_does_not_hold_up_the_stop(world: Any, steady: Path) -> None:
    robot = world.robot()
    node = world.start("inference_node", before=NO_MORE_CALLBACKS, bundles=steady, autostart=True)
    world.wait_until(lambda: robot.moving)
    world.wait_until(lambda: not robot.moving)  # the callback hangs within a second: no more frames
    node.send_signal(signal.SIGTERM)
    world.wait_until(lambda: node.poll() is not None)
    assert node.returncode == 0


def test_damaged_bundle_is_refused_at_configure(world: Any, bundle: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    half.write_bytes(bundle.read_bytes()[:-100])
    process = world.start("inference_node", bundles=half, autostart=True)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and "half.safetensors is no bundle" in errors

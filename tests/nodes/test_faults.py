"""Fault injection on a running node: the robot stops in time and within its limits, and the reason is reported."""

import copy
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.serialization import serialize_message
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from std_srvs.srv import Trigger

from tests.support.node_policies import CONSTANT_OUTPUTS
from tests.support.robot_stub import TWISTS, SimTimeRobotStub, unchanged

Corruption = Callable[[str, Any], list[Any]]  # (stream, message) -> messages to publish instead

TASK = "rgb_stacking/triplet"  # and a number: 1 works, 2 returns NaN, 3 raises, 4 is slow, 5 jumps between the limits
OPEN_LOOP_STEPS, STEP_SPEED = 200, 0.1  # of task 6: it goes to +y in the first step of a chunk, then to -y
IN_TIME_S = 3.0  # max_age_s and a period would be 0.25 s, the rest is for slow machines
LIMITS = {
    "safety__linear_acceleration": 0.5,
    "safety__angular_acceleration": 7.0,
    "safety__linear_jerk": 5.0,
    "safety__angular_jerk": 70.0,
    "safety__workspace": [0.45, -0.2, 0.06, 0.604, 0.2, 0.45],  # a wall 4 mm in front of the tool
}


@pytest.fixture(scope="module")
def running(make_world: Any, make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A robot in simulated time and an active node; every test leaves the robot moving."""
    yield from run_node(make_world, make_bundle, tmp_path_factory)


@pytest.fixture
def fresh(make_world: Any, make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The same as `running`, for one test alone."""
    yield from run_node(make_world, make_bundle, tmp_path_factory)


def run_node(make_world: Any, make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield a robot in simulated time and an active node."""
    world, folder = make_world(), tmp_path_factory.mktemp("bundles")
    for number in (1, 2, 3, 4, 5):
        outputs = (float("nan"), *CONSTANT_OUTPUTS[1:]) if number == 2 else CONSTANT_OUTPUTS
        make_bundle(folder / f"{number}.safetensors", f"{TASK}{number}", 1, outputs)
    steps = [(0.0, STEP_SPEED if i == 0 else -STEP_SPEED, 0.0, 0.0, 5.0) for i in range(OPEN_LOOP_STEPS)]
    outputs, execution = tuple(np.ravel(steps).tolist()), f"open_loop:{OPEN_LOOP_STEPS}"
    make_bundle(folder / "6.safetensors", f"{TASK}6", 1, outputs, OPEN_LOOP_STEPS, execution)
    robot = world.stub(SimTimeRobotStub)
    node = world.start(
        "inference_node",
        f"/clock:={world.namespace}/clock",
        fault="broken_models",
        bundles=folder,
        task=f"{TASK}1",
        autostart=True,
        dry_run=False,
        use_sim_time=True,
        safety__deadline=0.5,
        **LIMITS,
    )
    world.wait_until(lambda: robot.moving and robot.diagnostics)
    yield SimpleNamespace(world=world, robot=robot, folder=folder, node=node)
    check_limits(robot.commands)
    world.close()


def check_limits(commands: list[TwistStamped]) -> None:
    """Check speeds, and their changes from one command to the next; a stop may come at any speed."""
    velocities = np.array(
        [[v for i, v in enumerate(SimTimeRobotStub.velocity(msg)) if i not in (3, 4)] for msg in commands]
    )
    assert (np.abs(velocities) <= np.array([0.07, 0.07, 0.07, 1.0]) + 1e-6).all()
    changes = np.abs(np.diff(velocities, axis=0))[velocities[1:].any(1)]
    allowed = 0.05 * np.array([*[LIMITS["safety__linear_acceleration"]] * 3, LIMITS["safety__angular_acceleration"]])
    assert (changes <= allowed + 1e-6).all()


def assert_stops_until_undone(
    running: Any, reason: str, undo: Callable[[], None], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Check that the robot is stopped in time and the reason reported, and that it moves again after `undo`."""
    world, robot = running.world, running.robot
    begin, before = time.monotonic(), int(robot.diagnostics[-1]["stops"])
    try:
        world.wait_until(lambda: not robot.moving)
        assert time.monotonic() - begin < IN_TIME_S
        world.wait_until(lambda: reported(robot.diagnostics[-1], reason, before))
        meanwhile()
    finally:
        undo()
    world.wait_until(lambda: robot.moving)


def reported(report: dict[str, str], reason: str, before: int) -> bool:
    """Return whether there was another stop after the first `before`, and its reason is in the report."""
    return int(report["stops"]) > before and (reason in report["message"] or reason in report["last stop"])


def freeze() -> Corruption:
    """Let the first camera repeat its first image."""
    first: list[Any] = []

    def corrupt(stream: str, msg: Any) -> list[Any]:
        if stream != "basket_front_left":
            return [msg]
        first.append(msg)
        return first[:1]

    return corrupt


def shifted(stream: str, seconds: int) -> Corruption:
    """Shift the stamps of a stream."""

    def corrupt(name: str, msg: Any) -> list[Any]:
        if name == stream:
            msg.header.stamp.sec += seconds
        return [msg]

    return corrupt


def ahead() -> Corruption:
    """Stamp all streams in the future, so that they agree with each other."""

    def corrupt(name: str, msg: Any) -> list[Any]:
        msg.header.stamp.sec += 10
        return [msg]

    return corrupt


def changed(stream: str, **fields: Any) -> Corruption:
    """Replace fields in the messages of a stream; a function gets the old value."""

    def corrupt(name: str, msg: Any) -> list[Any]:
        if name == stream:
            for field, value in fields.items():
                setattr(msg, field, value(getattr(msg, field)) if callable(value) else value)
        return [msg]

    return corrupt


def in_frame(stream: str, frame_id: str) -> Corruption:
    """Name another frame in the messages of a stream."""

    def corrupt(name: str, msg: Any) -> list[Any]:
        if name == stream:
            msg.header.frame_id = frame_id
        return [msg]

    return corrupt


def separate_joints(stream: str, msg: Any) -> list[Any]:
    """Publish the joints of arm and gripper in messages of their own, between those of another device."""
    if stream != "joint_states":
        return [msg]
    arm, gripper, lift = (copy.deepcopy(msg) for _ in range(3))
    arm.name, arm.position = msg.name[:-1], msg.position[:-1]
    gripper.name, gripper.position = msg.name[-1:], msg.position[-1:]
    lift.name, lift.position = ["lift"], [0.3]
    return [arm, lift, gripper]


FAULTS: dict[str, tuple[Corruption, str]] = {
    "camera stops": (lambda stream, msg: [] if stream == "basket_front_right" else [msg], "basket_front_right"),
    "camera freezes": (freeze(), "data is"),
    "joints stop": (lambda stream, msg: [] if stream == "joint_states" else [msg], "joint_states"),
    "unknown encoding": (changed("basket_front_left", encoding="yuv9"), "encoding 'yuv9' is not one of"),
    "truncated image": (changed("basket_front_left", data=lambda d: d[:100]), "does not fit 100 bytes"),
    "camera in the future": (shifted("basket_front_left", 10), "data is"),
    "all in the future": (ahead(), "ahead of the node's clock"),
    "camera in the past": (shifted("basket_front_left", -10), "data is"),
    "joints in the past": (shifted("joint_states", -10), "data is"),
    "joint is missing": (changed("joint_states", name=lambda n: n[1:], position=lambda p: p[1:]), "no position of"),
    "joint is renamed": (changed("joint_states", name=lambda n: ["elbow", *n[1:]]), "no position of right_j0"),
    "pose in another frame": (in_frame("tcp_pose", "tool0"), "in frame 'tool0', expected 'base'"),
    "pose is NaN": (changed("tcp_pose", pose=lambda p: at_x(p, float("nan"))), "tcp_pose is not a valid pose"),
    "pose overflows": (changed("tcp_pose", pose=lambda p: at_x(p, 1e300)), "tcp_pose is not a valid pose"),
    "joint is NaN": (changed("joint_states", position=lambda p: [float("nan"), *p[1:]]), "not finite"),
}


def at_x(pose: Any, x: float) -> Any:
    pose.position.x = x
    return pose


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_data_stops_the_robot_until_it_is_good_again(running: Any, fault: str) -> None:
    running.robot.corrupt, reason = FAULTS[fault]
    assert_stops_until_undone(running, reason, lambda: setattr(running.robot, "corrupt", unchanged))


HARMLESS: dict[str, Corruption] = {
    "joints in another order": changed("joint_states", name=lambda n: n[::-1], position=lambda p: p[::-1]),
    "joints in messages of their own": separate_joints,
    "duplicate images": lambda stream, msg: [msg, copy.deepcopy(msg)],
    "images out of order": lambda stream, msg: [msg, older(msg)] if stream == "basket_front_left" else [msg],
    "other image size": lambda stream, msg: [smaller(msg) if stream == "basket_front_left" else msg],
}


def older(msg: Any) -> Any:
    """Return an image of 20 ms before, which arrives late."""
    late = copy.deepcopy(msg)
    late.header.stamp = Time(nanoseconds=Time.from_msg(msg.header.stamp).nanoseconds - 20_000_000).to_msg()
    return late


def smaller(msg: Any) -> Any:
    """Return an image of 60 x 80 with padded rows."""
    msg.height, msg.width, msg.step = 60, 80, 256
    msg.data = np.zeros(60 * 256, np.uint8).tobytes()
    return msg


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_irregularity_does_not_stop_the_robot(running: Any, what: str) -> None:
    world, robot = running.world, running.robot
    robot.corrupt, first = HARMLESS[what], len(robot.commands)
    try:
        world.wait_until(lambda: sum(any(robot.velocity(msg)) for msg in robot.commands[first:]) >= 20)
    finally:
        robot.corrupt = unchanged


@pytest.mark.parametrize(
    ("number", "reason"),
    [(2, "action is not finite"), (3, "RuntimeError: out of memory"), (4, "twice in a row")],
    ids=["NaN weights", "failing model", "slow model"],
)
def test_broken_model_stops_the_robot_until_another_task_is_chosen(running: Any, number: int, reason: str) -> None:
    assert running.robot.set_parameter("task", f"{TASK}{number}").successful
    back = lambda: running.robot.set_parameter("task", f"{TASK}1")  # noqa: E731
    assert_stops_until_undone(running, reason, back)


def test_jumping_policy_is_kept_within_the_limits(running: Any) -> None:
    robot, first = running.robot, len(running.robot.commands)
    assert robot.set_parameter("task", f"{TASK}5").successful
    running.world.wait_until(lambda: len(robot.commands) >= first + 100)
    assert robot.set_parameter("task", f"{TASK}1").successful
    check_limits(robot.commands[first:])
    assert max(robot.velocity(msg)[1] for msg in robot.commands[first:]) > 0.04  # it moves as fast as the limits allow


def clock_stops(report: dict[str, str]) -> str:
    """Return the number of stops for the clock in a report, empty for none."""
    return report["stops by kind"].partition("clock ")[2].partition(",")[0]


def test_clock_that_jumps_back_stops_the_robot_and_restarts_its_timing(running: Any) -> None:
    """As the clock of a bag played in a loop does."""
    robot, first = running.robot, len(running.robot.commands)
    before = clock_stops(robot.diagnostics[-1])
    robot.offset -= 300
    running.world.wait_until(lambda: clock_stops(robot.diagnostics[-1]) != before)  # a busy machine may add others
    running.world.wait_until(lambda: robot.moving)
    assert min(abs(robot.velocity(msg)[0]) for msg in robot.commands[first:]) < 0.02  # it started from rest again


def test_clock_that_stands_still_together_with_the_cameras_stops_the_robot(running: Any) -> None:
    """As after a simulator was killed: by its clock, data never gets old."""
    robot, before = running.robot, int(running.robot.diagnostics[-1]["stops"])
    robot.ticking = False
    try:
        running.world.wait_until(lambda: not robot.moving)
        running.world.wait_until(lambda: reported(robot.diagnostics[-1], "clock has stood still", before))
    finally:
        robot.ticking = True
    running.world.wait_until(lambda: robot.moving)


def test_competing_publisher_stops_the_robot(running: Any) -> None:
    robot = running.robot
    competing: list[Any] = [robot.node.create_publisher(TwistStamped, TWISTS, 1)]

    def still_stopped() -> None:
        first = len(robot.commands)
        time.sleep(0.5)
        assert not any(any(robot.velocity(msg)) for msg in robot.commands[first:])

    def undo() -> None:
        robot.node.destroy_publisher(competing.pop())

    assert_stops_until_undone(running, "another node also publishes on", undo, still_stopped)


def test_rescan_loads_new_bundles_and_reports_damaged_ones(running: Any, make_bundle: Any) -> None:
    world, robot, folder = running.world, running.robot, running.folder
    make_bundle(folder / "6.safetensors", f"{TASK}6", 5)
    (folder / "half.safetensors").write_bytes((folder / "1.safetensors").read_bytes()[:5000])
    (folder / "header.safetensors").write_bytes((90 << 20).to_bytes(8, "little"))
    os.truncate(folder / "header.safetensors", 100 << 20)  # 90 MB of metadata
    (folder / "nested.safetensors").write_bytes((9999).to_bytes(8, "little") + b"[" * 9999)
    first = len(robot.commands)
    answer = robot.call("inference_node/rescan", Trigger, Trigger.Request())
    assert answer.success and answer.message.startswith(f"new: {TASK}6; ")
    for name in ("half", "header", "nested"):
        assert f"{name}.safetensors is not a bundle" in answer.message
    assert robot.set_parameter("task", f"{TASK}6").successful and robot.set_parameter("task", f"{TASK}1").successful
    world.wait_until(lambda: len(robot.commands) > first + 10 and robot.moving)


def mutated(number: int, keep: bool, counts: Counter[str]) -> Corruption:
    """Replace each message by `number` mutations of its serialized bytes; `keep` sends it as well, after them."""
    rng = random.Random(0)

    def corrupt(stream: str, msg: Any) -> list[Any]:
        counts[stream] += number
        bad = []
        for _ in range(number):
            data = bytearray(serialize_message(msg))
            for _ in range(rng.choice([1, 2, 8])):
                at = rng.randrange(4, min(len(data), 200))  # header and sizes, and the first pixels
                data[at] = rng.randrange(256)
            bad.append(bytes(data[: rng.choice([len(data), len(data), rng.randrange(4, len(data))])]))
        return [*bad, msg] if keep else bad

    return corrupt


def test_mutated_messages_neither_end_the_node_nor_keep_it_from_its_stop(running: Any) -> None:
    world, robot, counts = running.world, running.robot, Counter[str]()
    number = int(os.environ.get("LOSSLESS_FUZZ", "500"))
    robot.corrupt = mutated(10, True, counts)
    try:
        world.wait_until(lambda: min(counts.values(), default=0) >= number)
        robot.corrupt = mutated(3, False, counts)
        world.wait_until(lambda: not robot.moving)
    finally:
        robot.corrupt = unchanged
    world.wait_until(lambda: robot.moving)


def test_clock_that_is_no_time_stops_the_robot(running: Any) -> None:
    """ROS 2 raises in its own callback of such a message."""
    robot = running.robot
    before = int(robot.diagnostics[-1]["stops"])
    negative = Clock()
    negative.clock.sec = -5
    robot._clock.publish(negative)
    running.world.wait_until(lambda: int(robot.diagnostics[-1]["stops"]) > before)
    running.world.wait_until(lambda: robot.moving)


def test_killed_node_sends_nothing_more(running: Any) -> None:
    """It cannot send a stop: the controllers have to time out, as MoveIt Servo does."""
    robot = running.robot
    assert robot.moving
    running.node.send_signal(signal.SIGKILL)
    running.node.wait()
    time.sleep(0.3)
    n = len(robot.commands)
    time.sleep(0.5)
    assert len(robot.commands) == n


def test_unread_log_does_not_block_the_node(world: Any, constant_bundle: Path) -> None:
    robot = world.robot()
    node = world.start("inference_node", fault="unread_stderr", bundles=constant_bundle, autostart=True)
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
def test_stop_that_could_not_be_sent_is_sent_again(world: Any, constant_bundle: Path, end: str) -> None:
    robot = world.robot()
    node = world.start("inference_node", fault="failing_stop", bundles=constant_bundle, autostart=True)
    world.wait_until(lambda: robot.moving)
    if end == "fault":
        robot.cameras = False
    else:
        node.send_signal(signal.SIGTERM)
    world.wait_until(lambda: not robot.moving)


def test_undecodable_images_stop_the_robot(world: Any, constant_bundle: Path) -> None:
    robot = world.robot(compressed=True)
    robot.corrupt = garbage = changed("basket_front_left", data=lambda d: d[:20] + d[:20])
    world.start("inference_node", bundles=constant_bundle, autostart=True)
    reason = "basket_front_left/image_raw/compressed: "
    world.wait_until(lambda: robot.diagnostics and reason in robot.diagnostics[-1]["message"])  # before it ever moved
    assert robot.diagnostics[-1]["message"].startswith("idle; ") and robot.diagnostics[-1]["level"] > 0
    undo = lambda: setattr(robot, "corrupt", unchanged)  # noqa: E731
    undo()
    world.wait_until(lambda: robot.moving)
    robot.corrupt = garbage
    assert_stops_until_undone(SimpleNamespace(world=world, robot=robot), reason, undo)


def test_blocked_executor_does_not_delay_the_stop(world: Any, constant_bundle: Path) -> None:
    robot = world.robot()
    node = world.start("inference_node", fault="blocked_executor", bundles=constant_bundle, autostart=True)
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
    assert process.returncode == 2 and "half.safetensors is not a bundle" in errors


def first_motion(robot: Any, since: int) -> float:
    """Return the velocity along y [m/s] of the first motion after the first stop after command `since`; nan: none."""
    speeds = [robot.velocity(msg) for msg in robot.commands[since:]]
    stop = next((i for i, velocity in enumerate(speeds) if not any(velocity)), len(speeds))
    return next((velocity[1] for velocity in speeds[stop:] if any(velocity)), float("nan"))


def test_stop_and_switch_end_an_open_loop(fresh: Any) -> None:
    """A chunk that was predicted before a stop or in another task's time is not continued."""
    world, robot, limit = fresh.world, fresh.robot, 0.07

    def starts_over(since: int) -> bool:
        world.wait_until(lambda: not np.isnan(first_motion(robot, since)))
        return 0 < first_motion(robot, since) <= STEP_SPEED * limit  # the limits of acceleration may lower it

    def in_open_loop() -> bool:
        return bool(robot.velocity(robot.commands[-1])[1] < 0)

    try:
        switch = len(robot.commands)
        assert robot.set_parameter("task", f"{TASK}6").successful
        assert starts_over(switch)
        world.wait_until(in_open_loop)
        stop, reports = len(robot.commands), len(robot.diagnostics)
        assert robot.call("inference_node/stop", Trigger, Trigger.Request()).success
        world.wait_until(lambda: len(robot.diagnostics) >= reports + 2)  # inference of before the stop has ended
        assert robot.call("inference_node/resume", Trigger, Trigger.Request()).success
        assert starts_over(stop)
        world.wait_until(in_open_loop)
        assert robot.set_parameter("task", f"{TASK}1").successful
        world.wait_until(lambda: robot.diagnostics[-1]["task"] == f"{TASK}1" and robot.moving)
        switch = len(robot.commands)
        assert robot.set_parameter("task", f"{TASK}6").successful
        assert starts_over(switch)
    finally:
        assert robot.set_parameter("task", f"{TASK}1").successful
        world.wait_until(lambda: robot.diagnostics[-1]["task"] == f"{TASK}1" and robot.moving)

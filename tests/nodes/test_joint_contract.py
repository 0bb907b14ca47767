"""The inference node with a contract that commands joints: velocities or points, walls, stops, and refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

from lossless_ros.contract import GRIPPER_TOPIC  # noqa: E402
from tests.support import joints  # noqa: E402
from tests.support.joint_robot import ROBOT_NAMES, JointRobotStub  # noqa: E402
from tests.support.node_policies import write_policy  # noqa: E402

SAFETY = {
    "linear_velocity": 0.1,
    "angular_velocity": 2.0,
    "max_age": 0.5,
    "rate_range": [5.0, 100.0],
    "angular_acceleration": 5.0,
    "linear_acceleration": 1.0,
}
RANGES = {"elbow": [-1.0, 0.4], "finger_joint1": [-0.01, 0.05]}  # rad, m
SPEEDS = joints.LIMITS * [0.5, -0.5]  # that the policy wants


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("joints") / "joints.safetensors"
    return write_policy(path, "two_joints/reach", 0, (0.5, -0.5), contract=joints.CONTRACT)


def robot_file(path: Path, safety: dict[str, Any] | None = None, ranges: dict[str, Any] | None = None) -> Path:
    """Write the file of a robot that is not a simulated one."""
    hardware = {"joints": {"finger": "finger_joint1"}, "joint_limits": RANGES if ranges is None else ranges}
    parameters = {"safety": SAFETY | (safety or {}), "hardware": hardware}
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
    return path


def start(world: Any, bundle: Path, robot: Path, **parameters: Any) -> Any:
    options = {"bundles": bundle, "robot": robot, "autostart": True, "dry_run": False} | parameters
    return world.start("inference_node", **options)


def test_joints_move_brake_in_front_of_their_ranges_and_stop_for_a_fault(
    world: Any, bundle: Path, tmp_path: Path
) -> None:
    robot = world.stub(JointRobotStub)
    start(world, bundle, robot_file(tmp_path / "arm.yaml"))
    world.wait_until(lambda: robot.commands and np.allclose(robot.commands[-1][0], SPEEDS[0]))
    assert robot.node.count_publishers(f"{world.namespace}/{GRIPPER_TOPIC}") == 0
    echo = world.wait_until(lambda: robot.sent)[-1]
    assert tuple(echo.name) == ROBOT_NAMES and len(echo.velocity) == 2 and echo.header.stamp.sec

    robot.seeing = False
    world.wait_until(lambda: not robot.moving)
    assert robot.commands[-1].tolist() == [0.0, 0.0]
    robot.seeing = True
    world.wait_until(lambda: robot.moving)

    world.wait_until(lambda: robot.position[0] > 0.39 and robot.position[1] < -0.007)
    number = len(robot.commands)
    world.wait_until(lambda: len(robot.commands) > number + 20)
    assert robot.highest[0] <= 0.4 and robot.lowest[1] >= -0.01
    assert np.abs(robot.commands[-1]).max() < 0.01  # nearly at rest in front of both walls


def test_joints_follow_trajectory_points_within_their_ranges(world: Any, bundle: Path, tmp_path: Path) -> None:
    robot = world.stub(JointRobotStub)
    start(world, bundle, robot_file(tmp_path / "arm.yaml"), command="joint_trajectory")
    world.wait_until(lambda: robot.position[0] > 0.39)
    assert tuple(robot.points[-1].joint_names) == ROBOT_NAMES and not robot.commands
    points = np.array([point.points[-1].positions for point in robot.points])
    assert (points <= [0.4, 0.05]).all() and (points >= [-1.0, -0.01]).all()
    assert np.abs(np.diff(points, axis=0)).max(0)[0] == pytest.approx(0.05 * SPEEDS[0], rel=0.05)


def test_dry_run_publishes_velocities_and_their_echo_elsewhere(world: Any, bundle: Path) -> None:
    robot = world.stub(JointRobotStub)
    hardware = {"joints": {"finger": "finger_joint1"}, "simulated": True}
    path = bundle.parent / "simulated.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"hardware": hardware}}}))
    start(world, bundle, path, dry_run=True)
    echo = world.wait_until(lambda: robot.would_send)[-1]
    np.testing.assert_allclose(echo.velocity, SPEEDS)
    assert not robot.commands and not robot.sent


@pytest.mark.parametrize(
    ("safety", "ranges", "parameters", "line"),
    [
        ({}, None, {"command": "twist"}, "command is twist, but contract 'two_joints' commands joints"),
        ({"workspace": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]}, None, {}, "safety: workspace is a box for the tool center"),
        ({}, {"elbow": [-1.0, 0.4]}, {}, "does not state hardware.joint_limits of finger_joint1"),
        (
            {},
            RANGES | {"finger": [0.0, 1.0]},
            {},
            "joint_limits has finger, which the robot's file calls finger_joint1",
        ),
        ({"angular_velocity": 0.5}, None, {}, "elbow of 1 rad/s, safety.angular_velocity allows 0.5"),
    ],
    ids=["twist", "workspace", "no-range", "name", "fast"],
)
def test_mistake_is_one_line_and_exit_code_2(
    world: Any,
    bundle: Path,
    tmp_path: Path,
    safety: dict[str, Any],
    ranges: dict[str, Any] | None,
    parameters: dict[str, Any],
    line: str,
) -> None:
    process = start(world, bundle, robot_file(tmp_path / "arm.yaml", safety, ranges), **parameters)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    lines = [text for text in errors.splitlines() if "[INFO]" not in text]
    assert len(lines) == 1 and lines[0].startswith("error: ") and line in lines[0]

"""Robot files: every key is known, and real robots do not move by default."""

from dataclasses import replace
from pathlib import Path

import pytest

from lossless_ros.contract import load_contract, load_robot
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.parameters import declare, robot_defaults
from lossless_ros.nodes.inference.parameters import PARAMETERS, check_robot_limits, describe_limits, motion_limits
from lossless_ros.paths import share_dir

ROBOTS = sorted(path.stem for path in (share_dir() / "config" / "robots").glob("*.yaml"))
DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_key_of_a_robot_is_a_parameter_or_hardware(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert set(defaults) <= set(DEFAULTS)
    assert all(type(value) is type(DEFAULTS[name]) for name, value in defaults.items())
    motion_limits(load_contract("rgb_stacking"), load_robot(robot), DEFAULTS | defaults)


def test_every_robot_is_a_dry_run_by_default() -> None:
    assert all((DEFAULTS | robot_defaults(robot))["dry_run"] is True for robot in ROBOTS)


@pytest.mark.parametrize("robot", [robot for robot in ROBOTS if robot != "sim"])
def test_real_robots_set_dry_run_and_all_safety_limits(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert defaults["dry_run"] is True
    assert {name for name in DEFAULTS if name.startswith("safety.")} <= set(defaults)


@pytest.mark.parametrize("robot", ["sawyer", "sim"])
def test_shipped_robot_moves_a_policy_of_the_shipped_contract(robot: str) -> None:
    parameters = DEFAULTS | robot_defaults(robot) | {"robot": robot, "dry_run": False}
    assert check_robot_limits(load_contract("rgb_stacking"), load_robot(robot), parameters) == ""


@pytest.mark.parametrize("robot", ROBOTS)
def test_no_shipped_robot_moves_as_fast_or_as_blindly_as_a_bundle_says(robot: str) -> None:
    contract = load_contract("rgb_stacking")
    fast = replace(contract, action=replace(contract.action, axes=(replace(contract.action.axes[0], limit=10.0),)))
    for wrong, limit in ((fast, "linear_velocity"), (replace(contract, max_age_s=1e6), "max_age")):
        parameters = DEFAULTS | robot_defaults(robot) | {"robot": robot}
        with pytest.raises(LosslessError, match=f"safety.{limit} allows"):
            check_robot_limits(wrong, load_robot(robot), parameters)


def test_file_from_before_the_limits_works_in_dry_run_only(tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_text("/**: {ros__parameters: {safety: {linear_acceleration: 0.5}, hardware: {frame_id: base_link}}}")
    contract, robot = load_contract("rgb_stacking"), load_robot(str(path))
    parameters = DEFAULTS | robot_defaults(str(path)) | {"robot": str(path)}
    warning = check_robot_limits(contract, robot, parameters)
    assert "does not state safety.linear_velocity, safety.angular_velocity, safety.max_age" in warning
    assert "commands in frame 'base', the robot takes commands in 'base_link'" in warning
    with pytest.raises(LosslessError, match="takes commands in 'base_link'"):
        check_robot_limits(contract, robot, parameters | {"dry_run": False})
    with pytest.raises(LosslessError, match=r"safety.gripper_range, which dry_run:=false needs; add them"):
        check_robot_limits(contract, replace(robot, frames={"base": "base_link"}), parameters | {"dry_run": False})


def test_limits_in_force_are_described() -> None:
    contract, robot = load_contract("rgb_stacking"), load_robot("sawyer")
    limits = motion_limits(contract, robot, DEFAULTS | robot_defaults("sawyer"))
    text = describe_limits(contract, robot, limits)
    for part in (
        "velocity 0.07 m/s, 1 rad/s",
        "acceleration 0.5 m/s^2, 7 rad/s^2",
        "jerk 5 m/s^3, 70 rad/s^3",
        "gripper 0 (open) to 0.8 (closed) at 2 strokes/s",
        "workspace [0.45, -0.2, 0.06, 0.75, 0.2, 0.45] m",
        "data at most 0.2 s old",
        "commands at 20 Hz in frame base",
    ):
        assert part in text


def test_file_without_ros_parameters_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_text("dry_run: false\n")
    with pytest.raises(LosslessError, match="expected a ROS parameter file"):
        robot_defaults(str(path))


class NodeDouble:
    """Takes parameter declarations in place of a node."""

    _parameter_overrides: dict[str, object] = {}

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def has_parameter(self, name: str) -> bool:
        return name in self.values

    def declare_parameter(self, name: str, value: object, descriptor: object) -> None:
        self.values[name] = value

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, object]:
        return self.values


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("safety.workspace", [0, -0.2, 0, 1, 0.2, 1], [0.0, -0.2, 0.0, 1.0, 0.2, 1.0]),
        ("safety.linear_acceleration", 1, 1.0),
        ("safety.workspace", [0, "low"], r"workspace in the robot's file is \[0, 'low'\], expected a list of float"),
        ("safety.workspace", 1.0, "is 1.0, expected a list of float"),
        ("dry_run", 1, "dry_run in the robot's file is 1, expected bool"),
        ("threads", 1.5, "threads in the robot's file is 1.5, expected int"),
    ],
)
def test_values_of_a_robot_file_get_the_type_of_the_parameter(name: str, value: object, expected: object) -> None:
    node = NodeDouble()
    if isinstance(expected, str):
        with pytest.raises(LosslessError, match=expected):
            declare(node, PARAMETERS, {name: value})
        return
    declare(node, PARAMETERS, {name: value})
    assert node.values[name] == expected
    wanted, actual = (v if isinstance(v, list) else [v] for v in (expected, node.values[name]))
    assert list(map(type, actual)) == list(map(type, wanted))

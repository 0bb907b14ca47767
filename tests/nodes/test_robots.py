"""Robot files: every key is known, and real robots do not move by default."""

from pathlib import Path

import pytest

from lossless_ros.contract import load_contract, load_robot
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.parameters import declare, robot_defaults
from lossless_ros.nodes.inference.parameters import PARAMETERS, motion_limits
from lossless_ros.paths import share_dir

ROBOTS = sorted(path.stem for path in (share_dir() / "config" / "robots").glob("*.yaml"))
DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_key_of_a_robot_is_a_parameter_or_hardware(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert set(defaults) <= set(DEFAULTS)
    assert all(type(value) is type(DEFAULTS[name]) for name, value in defaults.items())
    load_robot(robot)
    motion_limits(load_contract("rgb_stacking"), DEFAULTS | defaults)


def test_every_robot_is_a_dry_run_by_default() -> None:
    assert all((DEFAULTS | robot_defaults(robot))["dry_run"] is True for robot in ROBOTS)


@pytest.mark.parametrize("robot", [robot for robot in ROBOTS if robot != "sim"])
def test_real_robots_set_dry_run_and_all_safety_limits(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert defaults["dry_run"] is True
    assert {name for name in DEFAULTS if name.startswith("safety.")} <= set(defaults)


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

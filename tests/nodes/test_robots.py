"""The robots' files: what they say is understood, and real robots are careful by default."""

from pathlib import Path

import pytest

from lossless_ros.contract import load_contract, load_robot
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.parameters import declare, robot_defaults
from lossless_ros.nodes.inference.parameters import limits_of
from lossless_ros.nodes.inference_node import PARAMETERS
from lossless_ros.paths import share_dir

ROBOTS = sorted(path.stem for path in (share_dir() / "config" / "robots").glob("*.yaml"))
DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_key_of_a_robot_is_a_parameter_or_hardware(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert set(defaults) <= set(DEFAULTS)
    assert all(type(value) is type(DEFAULTS[name]) for name, value in defaults.items())
    load_robot(robot)
    limits_of(load_contract("rgb_stacking"), DEFAULTS | defaults)


def test_no_robot_moves_before_somebody_says_so() -> None:
    assert all((DEFAULTS | robot_defaults(robot))["dry_run"] is True for robot in ROBOTS)


@pytest.mark.parametrize("robot", [robot for robot in ROBOTS if robot != "sim"])
def test_real_robots_say_that_they_are_dry_run_and_how_they_are_limited(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert defaults["dry_run"] is True
    assert {name for name in DEFAULTS if name.startswith("safety.")} <= set(defaults)


def test_file_that_is_no_parameter_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_text("dry_run: false\n")
    with pytest.raises(LosslessError, match="expected a ROS parameter file"):
        robot_defaults(str(path))


class Declared:
    """Takes parameters as a node does."""

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
    ("name", "value", "found"),
    [
        ("safety.workspace", [0, -0.2, 0, 1, 0.2, 1], [0.0, -0.2, 0.0, 1.0, 0.2, 1.0]),
        ("safety.linear_acceleration", 1, 1.0),
        ("safety.workspace", [0, "low"], r"workspace in the robot's file is \[0, 'low'\], expected a list of float"),
        ("safety.workspace", 1.0, "is 1.0, expected a list of float"),
        ("dry_run", 1, "dry_run in the robot's file is 1, expected bool"),
        ("threads", 1.5, "threads in the robot's file is 1.5, expected int"),
    ],
)
def test_numbers_of_a_robots_file_get_the_parameters_type(name: str, value: object, found: object) -> None:
    node = Declared()
    if isinstance(found, str):
        with pytest.raises(LosslessError, match=found):
            declare(node, PARAMETERS, {name: value})
        return
    declare(node, PARAMETERS, {name: value})
    assert node.values[name] == found
    wanted, got = (v if isinstance(v, list) else [v] for v in (found, node.values[name]))
    assert list(map(type, got)) == list(map(type, wanted))

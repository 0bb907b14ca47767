"""The robots' files: what they say is understood, and real robots are careful by default."""

from pathlib import Path

import pytest

from lossless_ros.contract import load_contract, load_robot
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.checks import limits_of
from lossless_ros.nodes.inference_node import PARAMETERS
from lossless_ros.nodes.parameters import robot_defaults
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


@pytest.mark.parametrize("robot", [robot for robot in ROBOTS if robot != "sim"])
def test_real_robots_are_dry_run_and_limited(robot: str) -> None:
    defaults = robot_defaults(robot)
    assert defaults["dry_run"] is True
    assert {name for name in DEFAULTS if name.startswith("safety.")} <= set(defaults)


def test_file_that_is_no_parameter_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_text("dry_run: false\n")
    with pytest.raises(LosslessError, match="expected a ROS parameter file"):
        robot_defaults(str(path))

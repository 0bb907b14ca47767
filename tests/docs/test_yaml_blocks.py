"""YAML in the documentation is what it says: a contract, a robot, a domain, training settings, or a part of one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.doc_pages import Block, all_blocks

CONTRACT_PARTS = {"cameras", "proprioception", "action"}


def load_contract_file(path: Path) -> None:
    from lossless_ros.contract import load_contract

    assert load_contract(str(path)).name == path.stem


def load_robot_file(path: Path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")
    from lossless_ros.contract import load_contract, load_robot
    from lossless_ros.nodes.app.parameters import robot_defaults
    from lossless_ros.nodes.inference.parameters import PARAMETERS, motion_limits

    given, known = robot_defaults(str(path)), {parameter.name: parameter.default for parameter in PARAMETERS}
    assert set(given) <= set(known)
    assert {name: type(value) for name, value in given.items()} == {name: type(known[name]) for name in given}
    motion_limits(load_contract("rgb_stacking"), load_robot(str(path)), known | given)


def load_domain_file(path: Path) -> None:
    from lossless_sim.domains.domain import load_domain

    assert load_domain(str(path)).ranges


def load_settings_file(path: Path) -> None:
    from lossless_ros.training.hyperparameters import RENAMED, load_hyperparameters

    load_hyperparameters(str(path))
    assert not set(yaml.safe_load(path.read_text())) & set(RENAMED), "these are old names"


def load_study_file(path: Path) -> None:
    from lossless_ros.study.config import load_study

    load_study(str(path))


def load_part(path: Path) -> None:
    """Load parts of contracts and robots by putting them into a shipped one."""
    from lossless_ros.contract import Contract, Robot
    from lossless_ros.contract.config import from_mapping, load_yaml
    from lossless_ros.paths import find_config

    part = load_yaml(path)
    if CONTRACT_PARTS & set(part):
        from_mapping(Contract, load_yaml(find_config("contracts", "rgb_stacking")) | part, str(path))
    else:
        from_mapping(Robot, part.get("hardware", part), str(path))


def kind(data: dict[str, Any]) -> Callable[[Path], None]:
    """Return what loads a file with this content."""
    from lossless_sim.domains.parameters import SECTIONS

    from lossless_ros.training.hyperparameters import Hyperparameters

    if "rate_hz" in data:
        return load_contract_file
    if "runs" in data:
        return load_study_file
    if "/**" in data:
        return load_robot_file
    if set(data) <= {*CONTRACT_PARTS, "hardware", "arm"} and not isinstance(data.get("cameras"), dict):
        return load_part
    if set(data) <= set(SECTIONS):
        return load_domain_file
    assert set(data) <= set(Hyperparameters.__dataclass_fields__), "this YAML is of no known kind"
    return load_settings_file


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_loads(block: Block, tmp_path: Path) -> None:
    data = yaml.safe_load(block.text)
    path = tmp_path / (block.saved_as or "example.yaml")
    path.write_text(block.text)
    kind(data)(path)


def test_every_kind_is_in_the_documentation() -> None:
    kinds = {kind(yaml.safe_load(block.text)) for block in all_blocks("yaml")}
    loaders = {load_contract_file, load_robot_file, load_domain_file, load_settings_file, load_study_file, load_part}
    assert kinds == loaders

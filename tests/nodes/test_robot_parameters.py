"""Parameters follow the robot's file until the user sets them; what is configured is what both say at that time."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from lossless_ros.errors import LosslessError
from lossless_ros.nodes import inference_node
from lossless_ros.nodes.inference.parameters import PARAMETERS
from lossless_ros.nodes.inference_node import InferenceNode
from lossless_ros.ros_environment import stay_on_this_machine

SAFETY = {row.name.removeprefix("safety."): row.default for row in PARAMETERS if row.name.startswith("safety.")}
OLD = {"alone": True, "deadline": 0.1, "gripper_range": [0.0, 0.8], "rate_range": [1.0, 100.0]}
OLD |= {"workspace": [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]}
NEW = {"alone": False, "deadline": 0.2, "gripper_range": [0.1, 0.7], "rate_range": [2.0, 50.0]}
NEW |= {"workspace": [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5]}


class RunnerDouble:
    """Records the parameters with which the node is configured."""

    configured: list[dict[str, Any]] = []

    def __init__(self, node: Any, parameters: dict[str, Any]) -> None:
        self.configured.append(parameters)
        self.latch_reason = ""
        self.tasks = ()

    def close(self) -> None:
        pass


def write_robot(path: Path, safety: dict[str, Any], **more: Any) -> str:
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"safety": safety, **more}}}))
    return str(path)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start a node whose policy is a double, with parameters as on the command line."""
    environment: dict[str, str] = {}
    domain = random.SystemRandom().randint(1, 101)
    stay_on_this_machine(environment, domain)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(inference_node, "PolicyRunner", RunnerDouble)
    monkeypatch.setattr(RunnerDouble, "configured", [])
    nodes: list[InferenceNode] = []

    def make(**parameters: Any) -> InferenceNode:
        words = [w for name, value in parameters.items() for w in ("-p", f"{name}:={value}")]
        rclpy.init(args=["--ros-args", *words])
        nodes.append(InferenceNode())
        return nodes[0]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def configure(node: InferenceNode) -> dict[str, Any]:
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node._failure
    parameters = RunnerDouble.configured[-1]
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    return parameters


def set_robot(node: InferenceNode, path: str) -> None:
    assert node.set_parameters([Parameter("robot", value=path)])[0].successful


def test_every_safety_parameter_follows_the_robots_file(start: Any, tmp_path: Path) -> None:
    old = {name: OLD.get(name, 1.0) for name in SAFETY}
    new = {name: NEW.get(name, 2.0) for name in SAFETY}
    assert all(old[name] != new[name] for name in SAFETY)
    node = start(robot=write_robot(tmp_path / "old.yaml", old))
    before = configure(node)
    assert {name: before[f"safety.{name}"] for name in SAFETY} == old
    set_robot(node, write_robot(tmp_path / "new.yaml", new))
    after = configure(node)
    assert {name: after[f"safety.{name}"] for name in SAFETY} == new
    assert node.get_parameter("safety.workspace").value == new["workspace"]  # what `ros2 param get` shows
    set_robot(node, "sim")
    assert configure(node)["safety.workspace"] == SAFETY["workspace"]  # a file that does not have a key: the default


def test_a_robots_file_that_was_edited_counts(start: Any, tmp_path: Path) -> None:
    path = write_robot(tmp_path / "arm.yaml", {"max_age": 0.5}, dry_run=False)
    node = start(robot=path)
    assert configure(node)["dry_run"] is False
    write_robot(tmp_path / "arm.yaml", {"max_age": 0.3}, dry_run=True)
    edited = configure(node)
    assert edited["safety.max_age"] == 0.3 and edited["dry_run"] is True


def test_what_the_user_sets_takes_precedence_over_every_file(start: Any, tmp_path: Path) -> None:
    node = start(**{"safety.linear_jerk": 3.0})
    set_robot(node, write_robot(tmp_path / "one.yaml", {"linear_jerk": 1.0, "angular_jerk": 1.0, "max_age": 0.4}))
    assert node.set_parameters([Parameter("safety.angular_jerk", value=4.0)])[0].successful
    parameters = configure(node)
    found = [parameters[f"safety.{name}"] for name in ("linear_jerk", "angular_jerk", "max_age")]
    assert found == [3.0, 4.0, 0.4]


@pytest.mark.parametrize("content", ["robot: {}", "/**: {ros__parameters: {safety: {linear_jrek: 1.0}}}"])
def test_a_wrong_file_is_refused_when_configured(start: Any, tmp_path: Path, content: str) -> None:
    node = start()
    (tmp_path / "arm.yaml").write_text(content)
    set_robot(node, str(tmp_path / "arm.yaml"))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert isinstance(node._failure, LosslessError) and not RunnerDouble.configured

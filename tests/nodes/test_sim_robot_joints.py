"""The simulated robot of a suite whose actions are joint velocities, driven by a real inference node."""

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")
pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_sim import tasks  # noqa: E402

from lossless_ros.contract import Action, Axis, Gripper, load_contract  # noqa: E402
from lossless_ros.episodes.reader import read_episode  # noqa: E402
from lossless_ros.errors import LosslessError  # noqa: E402
from lossless_ros.models.policy import load_policy  # noqa: E402
from lossless_ros.nodes.sim_robot.episode import EpisodeRunner  # noqa: E402
from lossless_ros.nodes.sim_robot.interface import SimRobotInterface  # noqa: E402
from lossless_ros.simulation.env import check_contract  # noqa: E402
from tests.support import joints  # noqa: E402
from tests.support.joint_suite import TASK, JointEnv, joint_suite  # noqa: E402
from tests.support.node_policies import write_policy  # noqa: E402
from tests.support.robot_stub import NodeStub  # noqa: E402

STEPS = 8


@pytest.fixture(autouse=True)
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "load_suite", lambda name: joint_suite(tmp_path))


class SimStub(NodeStub):
    """A node for the interface of a simulated robot."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("sim_robot_node", domain_id, namespace)
        self.begin()


@pytest.mark.parametrize("command", ["auto", "joint_trajectory"])
def test_episode_is_driven_and_recorded_as_the_policy_acts(world: Any, tmp_path: Path, command: str) -> None:
    bundle = write_policy(tmp_path / "joints.safetensors", TASK, 3, contract=joints.CONTRACT)
    interface = SimRobotInterface(world.stub(SimStub).node, joints.CONTRACT, command, joints.NAMES)
    options = {"autostart": True, "use_sim_time": True, "dry_run": False, "command": command}
    world.start("inference_node", bundles=bundle, **options)
    settings = {"task": TASK, "domain": "nominal", "mode": "lock_step", "steps": STEPS, "timeout": 60.0}
    env = JointEnv()
    runner = EpisodeRunner(env, interface, joints.CONTRACT, settings | {"record": str(tmp_path / "bags")})

    def is_connected() -> bool:
        interface.tick(runner.stamp)
        return not interface.unconnected_topics()

    world.wait_until(is_connected)
    result = runner.run(5, threading.Event())
    assert result is not None and result["steps"] == STEPS
    episode = read_episode(tmp_path / "bags" / "episode_000005", joints.CONTRACT)
    assert episode.fault is None and len(episode.frames) == STEPS
    np.testing.assert_array_equal(episode.actions, env.actions)
    torch.set_num_threads(1)  # as the node
    policy = load_policy(bundle, "cpu")
    expected = np.array([policy.act(frame) for frame in episode.frames])
    np.testing.assert_allclose(episode.actions, expected, atol=0 if command == "auto" else 1e-5)


@pytest.mark.parametrize(
    "action",
    [
        dataclasses.replace(joints.CONTRACT.action, axes=joints.CONTRACT.action.axes[::-1]),
        Action("world", (Axis("linear.x", 1.0),), Gripper(0.0, 1.0)),
    ],
    ids=["order", "space"],
)
def test_contract_with_other_axes_than_the_suites_is_refused(action: Action) -> None:
    check_contract(TASK, joints.CONTRACT)
    with pytest.raises(LosslessError, match="two_joints/reach takes elbow, finger in this order, see contract "):
        check_contract(TASK, dataclasses.replace(joints.CONTRACT, action=action))


def test_twists_are_refused_for_joints_and_joints_await_no_gripper(world: Any) -> None:
    node = world.stub(SimStub).node
    with pytest.raises(LosslessError, match="command is twist, but contract 'two_joints' commands joints"):
        SimRobotInterface(node, joints.CONTRACT, "twist", joints.NAMES)
    interface = SimRobotInterface(node, joints.CONTRACT, joint_names=joints.NAMES)
    assert interface.command_topic == f"{world.namespace}/velocity_controller/commands"
    assert not any("gripper" in topic for topic in interface.unconnected_topics())
    assert SimRobotInterface(node, load_contract("rgb_stacking")).command_topic.endswith("delta_twist_cmds")

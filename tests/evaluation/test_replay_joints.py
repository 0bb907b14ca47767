"""Replay of recordings with joint velocities and no gripper."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lossless_ros.cli.app import app
from lossless_ros.evaluation.replay import ReplayConfig, replay
from tests.support import joints
from tests.support.node_policies import write_policy


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "joints.safetensors"
    return write_policy(path, "two_joints/reach", 0, (0.5, -0.5), contract=joints.CONTRACT)


def test_replay_has_the_joints_and_no_gripper(bundle: Path, tmp_path: Path) -> None:
    bag = joints.record_joints(tmp_path / "episode", 0)
    result = replay(ReplayConfig(bundle, (bag,), device="cpu"))
    assert {axis: error["unit"] for axis, error in result["action_error"].items()} == {
        "elbow": "rad/s",
        "finger": "m/s",
    }
    assert "gripper_agreement" not in result and "gripper_agreement" not in result["episodes"][0]
    recorded = np.array(result["example"]["recorded"])
    expected = np.abs(recorded - joints.LIMITS * [0.5, -0.5]).mean(0)
    assert result["action_error"]["finger"]["mae"] == pytest.approx(expected[1])


def test_command_and_page_leave_the_gripper_out(bundle: Path, tmp_path: Path) -> None:
    bag, page = joints.record_joints(tmp_path / "episode", 0), tmp_path / "page.html"
    arguments = ["replay", "--bundle", bundle, "--bag", bag, "--device", "cpu", "--report", page]
    run = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert run.exit_code == 0, run.output
    assert "elbow: mean absolute error" in run.output and "gripper" not in run.output
    text = page.read_text()
    assert "elbow [rad/s]" in text and "gripper" not in text.lower()

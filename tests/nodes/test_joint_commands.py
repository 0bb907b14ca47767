"""Joint commands to the simulated robot: its hand follows the policy's velocities."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")
pytest.importorskip("mink", reason="mink is not installed")

from lossless_ros.contract import load_contract  # noqa: E402
from tests.support.node_policies import CONSTANT_OUTPUTS, write_policy  # noqa: E402

STEPS = 40
SETTLED = 15  # step at which the arm has accelerated and its lag is constant


@pytest.mark.parametrize(
    ("command", "contract"),
    [("joint_velocity", "rgb_stacking"), ("joint_trajectory", "rgb_stacking_tcp")],  # the second has no joint angles
)
def test_simulated_hand_follows_the_policys_velocity(world: Any, tmp_path: Path, command: str, contract: str) -> None:
    task = "rgb_stacking/triplet1"
    bundle = tmp_path / "constant.safetensors"
    write_policy(bundle, task, 0, CONSTANT_OUTPUTS, contract=load_contract(contract))
    observer = world.controller(answering=False)
    clock = f"/clock:={world.namespace}/clock"
    world.start(
        "inference_node",
        clock,
        bundles=bundle,
        autostart=True,
        use_sim_time=True,
        dry_run=False,
        command=command,
    )
    robot = world.start(
        "sim_robot_node",
        clock,
        mode="lock_step",
        task=task,
        seed=3,
        episodes=1,
        steps=STEPS,
        command=command,
    )
    _, errors = robot.communicate(timeout=300)
    assert robot.returncode == 0, errors
    tool = np.array(observer.tool)
    assert len(tool) >= STEPS
    moved = tool[STEPS - 1] - tool[SETTLED]
    expected = 0.05 * (STEPS - 1 - SETTLED) * np.array([0.028, 0.014, 0.007])
    np.testing.assert_allclose(moved, expected, atol=0.1 * np.linalg.norm(expected))


def test_joint_commands_need_a_model_of_the_robot(world: Any, constant_bundle: Path, tmp_path: Path) -> None:
    robot = tmp_path / "arm.yaml"
    robot.write_text("/**: {ros__parameters: {dry_run: true}}\n")
    process = world.start(
        "inference_node", bundles=constant_bundle, autostart=True, robot=robot, command="joint_velocity"
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and "command joint_velocity needs the robot's model" in errors

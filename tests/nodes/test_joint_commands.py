"""Joint commands to the simulated robot: its hand goes where the policy's velocities say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")
pytest.importorskip("mink", reason="mink is not installed")

STEPS = 40
BEGIN = 15  # by then the limits of acceleration and the arm's own lag are behind


@pytest.mark.parametrize("command", ["joint_velocity", "joint_trajectory"])
def test_simulated_hand_follows_the_policys_velocity(world: Any, steady: Path, command: str) -> None:
    pilot = world.pilot(answering=False)
    clock = f"/clock:={world.namespace}/clock"
    world.start(
        *("inference_node", clock), bundles=steady, autostart=True, use_sim_time=True, dry_run=False, command=command
    )
    robot = world.start(
        *("sim_robot_node", clock),
        mode="lock_step",
        task="rgb_stacking/triplet1",
        seed=3,
        episodes=1,
        steps=STEPS,
        command=command,
    )
    _, errors = robot.communicate(timeout=300)
    assert robot.returncode == 0, errors
    tool = np.array(pilot.tool)
    assert len(tool) >= STEPS
    moved = tool[STEPS - 1] - tool[BEGIN]
    wanted = 0.05 * (STEPS - 1 - BEGIN) * np.array([0.028, 0.014, 0.007])
    np.testing.assert_allclose(moved, wanted, atol=0.1 * np.linalg.norm(wanted))


def test_robot_without_a_model_cannot_take_joint_commands(world: Any, steady: Path, tmp_path: Path) -> None:
    robot = tmp_path / "arm.yaml"
    robot.write_text("/**: {ros__parameters: {dry_run: true}}\n")
    process = world.start("inference_node", bundles=steady, autostart=True, robot=robot, command="joint_velocity")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2 and "command joint_velocity needs the robot's model" in errors

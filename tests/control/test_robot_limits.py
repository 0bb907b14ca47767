"""Limits that a robot's file states: a contract beyond them is refused with both numbers."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lossless_ros.contract import Axis, Contract, Gripper, Robot, load_contract, load_robot
from lossless_ros.control.robot_limits import ANY_GRIPPER, RobotLimits, frame_fault, load_allowed_robot
from lossless_ros.errors import LosslessError
from tests.support import joints

LIMITS = RobotLimits(
    linear_velocity=0.25, angular_velocity=1.5, max_age=0.5, rate_range=(5.0, 100.0), gripper_range=(0.0, 0.8)
)
ROBOT = Robot(frame_id="base")
CONTRACT = load_contract("rgb_stacking")


def changed(**changes: Any) -> Contract:
    """Return the contract with changed fields; those of the action by their names."""
    action = {name: changes.pop(name) for name in ("axes", "gripper", "frame_id") if name in changes}
    return dataclasses.replace(CONTRACT, action=dataclasses.replace(CONTRACT.action, **action), **changes)


def test_contract_within_the_limits_is_allowed() -> None:
    assert LIMITS.contract_fault(CONTRACT, ROBOT) is None
    assert frame_fault(CONTRACT, ROBOT) is None
    assert LIMITS.missing(CONTRACT, ROBOT) == ()


@pytest.mark.parametrize(
    ("contract", "line"),
    [
        (changed(axes=(Axis("linear.x", 10.0),)), "linear.x of 10 m/s, safety.linear_velocity allows 0.25"),
        (changed(axes=(Axis("angular.x", 10.0),)), "angular.x of 10 rad/s, safety.angular_velocity allows 1.5"),
        (changed(max_age_s=1e6), "max_age_s of 1e+06 s, safety.max_age allows 0.5"),
        (changed(rate_hz=2.0, max_age_s=0.5), "rate_hz of 2 Hz, safety.rate_range allows 5 to 100"),
        (changed(rate_hz=500.0), "rate_hz of 500 Hz, safety.rate_range allows 5 to 100"),
        (changed(gripper=Gripper(-1000.0, 0.8)), "-1000 (open) and 0.8 (closed), safety.gripper_range allows 0 to 0.8"),
        (changed(gripper=Gripper(0.0, 0.9)), "0 (open) and 0.9 (closed), safety.gripper_range allows 0 to 0.8"),
    ],
)
def test_contract_beyond_a_limit_is_refused_with_both_numbers(contract: Contract, line: str) -> None:
    fault = LIMITS.contract_fault(contract, ROBOT)
    assert fault and fault.startswith("contract 'rgb_stacking' has ") and line in fault


def test_all_limits_that_a_contract_exceeds_are_named_at_once() -> None:
    fault = LIMITS.contract_fault(changed(axes=(Axis("linear.x", 10.0),), max_age_s=9.0), ROBOT)
    assert fault and "linear.x" in fault and "max_age_s" in fault


def test_the_robots_own_gripper_positions_are_what_is_commanded() -> None:
    robot = dataclasses.replace(ROBOT, gripper=Gripper(0.04, 0.0))
    limits = dataclasses.replace(LIMITS, gripper_range=(0.0, 0.04))
    assert limits.contract_fault(changed(gripper=Gripper(-1000.0, 0.8)), robot) is None
    assert "0.8 (closed)" in str(limits.contract_fault(CONTRACT, ROBOT))


def test_contract_in_another_frame_is_refused_unless_the_file_names_them_as_one() -> None:
    tool = changed(frame_id="tool0")
    fault = frame_fault(tool, ROBOT)
    assert fault and "commands in frame 'tool0', the robot takes commands in 'base'" in fault
    assert frame_fault(tool, dataclasses.replace(ROBOT, frames={"tool0": "base"})) is None
    assert frame_fault(tool, Robot()) is None  # nothing is stated


def test_missing_limits_are_named_by_their_keys() -> None:
    assert RobotLimits().missing(CONTRACT, Robot()) == (
        "safety.linear_velocity",
        "safety.angular_velocity",
        "safety.max_age",
        "safety.rate_range",
        "safety.gripper_range",
        "hardware.frame_id",
    )
    half = dataclasses.replace(LIMITS, gripper_range=(0.0, float("inf")))
    assert half.missing(CONTRACT, ROBOT) == ("safety.gripper_range",)


def test_joints_need_their_ranges_but_neither_frame_nor_gripper() -> None:
    limits = dataclasses.replace(LIMITS, gripper_range=ANY_GRIPPER)
    robot = Robot(joints={"finger": "finger_joint1"}, joint_limits={"elbow": (-1.0, 1.0)})
    assert limits.missing(joints.CONTRACT, robot) == ("hardware.joint_limits of finger_joint1",)
    complete = dataclasses.replace(robot, joint_limits={"elbow": (-1.0, 1.0), "finger_joint1": (-0.01, 0.05)})
    assert limits.missing(joints.CONTRACT, complete) == ()
    assert frame_fault(joints.CONTRACT, dataclasses.replace(robot, frame_id="base")) is None
    slow = dataclasses.replace(limits, linear_velocity=0.01, angular_velocity=0.5)
    assert slow.contract_fault(joints.CONTRACT, robot) == (
        "contract 'two_joints' has elbow of 1 rad/s, safety.angular_velocity allows 0.5; "
        "finger of 0.05 m/s, safety.linear_velocity allows 0.01"
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"linear_velocity": 0.0}, "linear_velocity is 0.0, expected more than 0"),
        ({"angular_velocity": float("nan")}, "angular_velocity is nan"),
        ({"max_age": -1.0}, "max_age is -1.0"),
        ({"rate_range": (5.0,)}, "rate_range is"),
        ({"rate_range": (9.0, 5.0)}, "expected a lower and an upper bound"),
        ({"gripper_range": (float("nan"), 1.0)}, "gripper_range is"),
    ],
)
def test_invalid_limits_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RobotLimits(**limits)


def test_file_of_a_robot_allows_what_its_node_allows(tmp_path: Path) -> None:
    assert load_allowed_robot("sawyer", CONTRACT) == load_robot("sawyer")
    with pytest.raises(
        LosslessError, match=r"robot sawyer: contract 'rgb_stacking' has rate_hz of 200 Hz, .* 5 to 100"
    ):
        load_allowed_robot("sawyer", changed(rate_hz=200.0))
    file = tmp_path / "robot.yaml"
    file.write_text("/**: {ros__parameters: {safety: {max_age: fast}}}")
    with pytest.raises(LosslessError, match=r"robot \S+/robot.yaml: safety: "):
        load_allowed_robot(str(file), CONTRACT)
    file.write_text("/**: {ros__parameters: {safety: {deadline: 0.1}}}")
    load_allowed_robot(str(file), changed(rate_hz=200.0))

"""The contract: loading, round trip, and one clear line for each mistake."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from lossless_ros.contract import Contract, Gripper, Robot, load_contract, load_robot, resolve_command
from lossless_ros.contract.config import from_mapping
from lossless_ros.errors import LosslessError
from lossless_ros.paths import share_dir


@pytest.fixture
def mapping():
    return yaml.safe_load((share_dir() / "config/contracts/rgb_stacking.yaml").read_text())


def test_shipped_contract_matches_the_robot():
    contract = load_contract("rgb_stacking")
    assert contract.period_ns == 50_000_000
    assert contract.streams == ("basket_front_left", "basket_front_right", "joint_states", "tcp_pose")
    assert contract.proprioception_dim == 7 + 1 + 9
    assert contract.action.names == ("linear.x", "linear.y", "linear.z", "angular.z", "gripper")
    assert contract.action.limits == (0.07, 0.07, 0.07, 1.0, 1.0)


def test_json_round_trip_gives_the_same_contract():
    contract = load_contract("rgb_stacking")
    assert from_mapping(Contract, json.loads(contract.to_json()), "here") == contract


def test_every_shipped_robot_loads():
    names = [path.stem for path in (share_dir() / "config/robots").glob("*.yaml")]
    assert "sim" in names and "sawyer" in names
    assert all(isinstance(load_robot(name), Robot) for name in names)


def test_robot_file_that_is_no_parameter_file_is_refused(tmp_path):
    (tmp_path / "arm.yaml").write_text("hardware: {frame_id: base}")
    with pytest.raises(LosslessError, match="arm.yaml: expected a ROS parameter file"):
        load_robot(str(tmp_path / "arm.yaml"))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(LosslessError, match=r"unknown contract 'rgb'; known: .*rgb_stacking"):
        load_contract("rgb")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 20}, "unknown key 'rate'; known: .*rate_hz"),
        ({"rate_hz": "fast"}, "rate_hz: expected float, got 'fast'"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": True}, "expected float, got True"),
        ({"cameras": []}, "expected at least one"),
        ({"cameras": [{"name": "a", "width": 0, "height": 8}]}, "at least 1x1"),
        ({"proprioception": [{"stream": "wrench"}]}, "expected joint_states or tcp_pose"),
        ({"proprioception": [{"stream": "joint_states"}]}, "needs joint names"),
        ({"max_age_s": 0.01}, "at least one period"),
        ({"max_skew_s": 0.001}, "slop_s is 0.02"),
    ],
)
def test_invalid_contract_is_a_one_line_error(mapping, change, message):
    with pytest.raises(LosslessError, match=message) as caught:
        from_mapping(Contract, mapping | change, "here")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("here")


def test_missing_key_is_named(mapping):
    del mapping["action"]
    with pytest.raises(LosslessError, match="missing key 'action'"):
        from_mapping(Contract, mapping, "here")


def test_gripper_takes_the_closer_end():
    gripper = Gripper(open=0.0, closed=0.8)
    assert [gripper.action(x) for x in (0.0, 0.3, 0.5, 0.8)] == [-1, -1, 1, 1]
    action = load_contract("rgb_stacking").action
    assert [action.gripper_target(x) for x in (-1.0, 0.0, 0.1)] == [-1, -1, 1]
    assert [gripper.command_at(x) for x in (-1.0, 1.0)] == [0.0, 0.8]


def test_continuous_gripper_goes_to_any_command():
    action = load_contract("metaworld").action
    gripper = Gripper(open=0.0, closed=0.8)
    assert [action.gripper_target(x) for x in (-2.0, -0.5, 0.0, 0.6, 1.5)] == [-1, -0.5, 0, 0.6, 1]
    assert gripper.command_at(action.gripper_target(0.5)) == pytest.approx(0.6)
    assert action.gripper_output(0.6, gripper) == pytest.approx(0.5)


@pytest.fixture
def joints():
    """Return a contract that commands two joints, as a mapping."""
    return {
        "name": "two_joints",
        "rate_hz": 20,
        "cameras": [{"name": "camera", "width": 8, "height": 8}],
        "proprioception": [{"stream": "joint_states", "names": ["elbow", "finger", "other"]}],
        "action": {
            "frame_id": "world",
            "space": "joints",
            "axes": [{"axis": "elbow", "limit": 2.0}, {"axis": "finger", "limit": 1.0, "prismatic": True}],
        },
    }


def test_joints_are_commanded_in_their_units_and_without_a_gripper(joints):
    contract = from_mapping(Contract, joints, "here")
    assert contract.action.joints == contract.action.names == ("elbow", "finger")
    assert [axis.unit for axis in contract.action.axes] == ["rad/s", "m/s"]
    assert contract.action.limits == (2.0, 1.0) and contract.action.dim == 2
    assert from_mapping(Contract, json.loads(contract.to_json()), "here") == contract


def test_joints_may_have_a_gripper_beside_them(joints):
    joints["action"]["gripper"] = {"open": 0.04, "closed": 0.0}
    action = from_mapping(Contract, joints, "here").action
    assert action.names == ("elbow", "finger", "gripper") and action.limits == (2.0, 1.0, 1.0)


def test_tool_may_have_no_gripper(mapping):
    del mapping["action"]["gripper"]
    assert from_mapping(Contract, mapping, "here").action.names[-1] == "angular.z"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "cartesian"}, "action: space is 'cartesian', expected tool or joints"),
        ({"space": "tool"}, "axis is 'elbow', expected one of linear.x, .*; joints need space: joints"),
        ({"axes": [{"axis": "linear.x", "limit": 1.0}]}, "axis is 'linear.x', expected the name of a joint"),
        ({"space": "tool", "axes": [{"axis": "linear.x", "limit": 1.0, "prismatic": True}]}, "linear.x is prismatic"),
        ({"axes": [{"axis": "wrist", "limit": 1.0}]}, "action commands joint 'wrist', which is not observed"),
        ({"axes": [{"axis": "", "limit": 1.0}]}, "axis is '', expected 1 to 200 printable characters"),
        ({"axes": []}, "no axes and no gripper"),
        ({"continuous_gripper": True}, "continuous_gripper is true, but there is no gripper"),
    ],
)
def test_invalid_joint_action_is_a_one_line_error(joints, change, message):
    joints["action"] |= change
    with pytest.raises(LosslessError, match=message) as caught:
        from_mapping(Contract, joints, "here")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("here")


def test_json_of_a_tools_contract_is_what_it_was_before_joint_actions():
    action = json.loads(load_contract("rgb_stacking").to_json())["action"]
    assert action.keys() == {"frame_id", "axes", "gripper", "continuous_gripper"}
    assert action["axes"][0] == {"axis": "linear.x", "limit": 0.07}


def test_kind_of_command_follows_from_what_the_contract_commands(joints):
    contract = from_mapping(Contract, joints, "here")
    assert resolve_command("auto", contract) == "joint_velocity"
    assert resolve_command("joint_trajectory", contract) == "joint_trajectory"
    assert resolve_command("auto", load_contract("rgb_stacking")) == "twist"
    with pytest.raises(LosslessError, match="command is twist, but contract 'two_joints' commands joints"):
        resolve_command("twist", contract)


def test_contracts_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_contract("rgb_stacking").rate_hz = 1


def test_contract_in_the_docs_loads(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "tutorials" / "own-robot.md").read_text()
    path = tmp_path / "ur5e_table.yaml"
    path.write_text(page.split("```yaml\n", 1)[1].split("```", 1)[0])
    assert load_contract(str(path)).proprioception_dim == 6 + 9


def test_joints_are_added_after_what_the_policy_sees():
    contract = load_contract("rgb_stacking_tcp")
    more = contract.with_joints(["robotiq_85_left_knuckle_joint", "elbow", "wrist", "elbow"])
    assert more.proprioception[:-1] == contract.proprioception
    assert more.joints() == contract.joints() | {"elbow": 13, "wrist": 14}
    assert more.proprioception_dim == contract.proprioception_dim + 2
    assert contract.with_joints(contract.joints()) is contract


def test_joint_limits_do_not_need_the_joints_in_the_contract():
    from lossless_ros.control.joint_limits import JointLimits

    robot = Robot(joints={"right_j1": "shoulder"}, joint_limits={"elbow": (-1.0, 1.0), "shoulder": (0.0, 2.0)})
    limits = JointLimits(load_contract("rgb_stacking_tcp"), robot)
    assert limits.contract.joints()["right_j1"] == 14
    seen = np.zeros(limits.contract.proprioception_dim)
    assert limits.fault(seen) is None
    seen[limits.contract.joints()["elbow"]] = 1.5
    assert "elbow" in str(limits.fault(seen))

"""Names in a robot's file: a typing error is refused with the known names."""

import pytest

from lossless_ros.contract import Robot, check_names, load_contract, load_robot
from lossless_ros.errors import LosslessError
from lossless_ros.paths import share_dir

CONTRACT = load_contract("rgb_stacking")
FINGER = "robotiq_85_left_knuckle_joint"


@pytest.mark.parametrize("robot", sorted(path.stem for path in (share_dir() / "config/robots").glob("*.yaml")))
@pytest.mark.parametrize("contract", sorted(path.stem for path in (share_dir() / "config/contracts").glob("*.yaml")))
def test_shipped_robots_name_what_the_shipped_contracts_have(robot, contract):
    check_names(load_robot(robot), load_contract(contract))


@pytest.mark.parametrize(
    ("robot", "message"),
    [
        (Robot(topics={"basket_front_lft/image_raw": "/a"}),
         "hardware: topics: unknown key 'basket_front_lft/image_raw'; known: basket_front_left/image_raw, "),
        (Robot(topics={"/joint_states": "/a"}), "unknown key '/joint_states'; known: .*, joint_states, tcp_pose, "),
        (Robot(topics={"basket_front_left/image_raw/compressed": "/a"}), "unknown key .*compressed'; known: "),
        (Robot(joints={"rigth_j0": "a"}), "hardware: joints: unknown key 'rigth_j0'; known: right_j0, right_j1"),
        (Robot(joints={"right_j0": "a", "right_j1": "a"}), "hardware: joints: 'right_j0' and 'right_j1' are both 'a'"),
        (Robot(joints={"right_j0": FINGER}), f"joints: 'right_j0' and '{FINGER}' are both '{FINGER}'"),
        (Robot(topics={f"basket_front_{side}/image_raw": "/camera" for side in ("left", "right")}),
         "topics: 'basket_front_left/image_raw' and 'basket_front_right/image_raw' are both '/camera'"),
    ],
)  # fmt: skip
def test_a_name_that_the_contract_lacks_or_two_for_one_thing_are_refused(robot, message):
    with pytest.raises(LosslessError, match=message) as caught:
        check_names(robot, CONTRACT)
    assert "\n" not in str(caught.value)


def test_command_topics_and_joints_of_another_shipped_contract_are_known():
    topics = {"servo_node/delta_twist_cmds": "/twist", "gripper_controller/commands": "/grip", "tcp_pose": "/pose"}
    check_names(Robot(topics=topics, joints={"right_j0": "a"}), load_contract("rgb_stacking_tcp"))

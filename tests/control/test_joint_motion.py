"""Joint commands of contracts that command joints, and the ranges in a robot's file."""

import numpy as np
import pytest

from lossless_ros.contract import Robot, load_contract
from lossless_ros.control.joint_limits import JointLimits, joint_ranges
from lossless_ros.control.joint_motion import make_joint_motion
from lossless_ros.errors import LosslessError
from lossless_ros.observation.frames import Frame
from tests.support import joints

ROBOT = Robot(joints={"finger": "finger_joint1"}, joint_limits={"finger_joint1": (0.0, 0.04)})


def test_joints_move_as_the_action_says_and_need_no_model() -> None:
    motion = make_joint_motion(joints.CONTRACT, ROBOT, "joint_velocity")
    assert motion.joints == ("elbow", "finger_joint1") and motion.contract is joints.CONTRACT
    frame = Frame(0, (), np.array([0.5, 0.02], np.float32), {})
    positions, speeds = motion.solve(frame, np.array([1.0, -0.05]))
    np.testing.assert_allclose(positions, [0.5, 0.02])
    assert speeds.tolist() == [1.0, -0.05]
    assert motion.clip(np.array([9.0, 0.05])).tolist() == [9.0, 0.04]


def test_velocities_of_the_tool_need_a_model() -> None:
    with pytest.raises(LosslessError, match="command joint_velocity needs the robot's model"):
        make_joint_motion(load_contract("rgb_stacking"), ROBOT, "joint_velocity")


def test_ranges_are_by_the_contracts_names_and_faults_by_the_robots_and_in_their_unit() -> None:
    assert joint_ranges(ROBOT) == {"finger": (0.0, 0.04)}
    fault = JointLimits(joints.CONTRACT, ROBOT).fault(np.array([0.0, 0.05]))
    assert fault == "joint finger_joint1 is at 0.050 m, its limits are 0 to 0.04"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"elbow": (1.0, -1.0)}, r"joint_limits of elbow are \[1.0, -1.0\], expected the lowest and the highest"),
        ({"elbow": (1.0,)}, r"joint_limits of elbow are \[1.0\]"),
        ({"finger": (0.0, 1.0)}, "joint_limits has finger, which the robot's file calls finger_joint1; use that name"),
    ],
)
def test_ranges_that_are_none_are_refused(limits: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(LosslessError, match=message):
        joint_ranges(Robot(joints=ROBOT.joints, joint_limits=limits))

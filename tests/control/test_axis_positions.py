"""Where a frame has the positions that the guard's walls limit."""

import dataclasses

import numpy as np
import pytest

from lossless_ros.contract import Proprioception, load_contract
from lossless_ros.control.axis_positions import AxisPositions
from lossless_ros.observation.frames import Frame
from tests.support import joints


def frame(values: np.ndarray, **stamps: int) -> Frame:
    return Frame(0, (), values.astype(np.float32), stamps)


def test_tool_has_positions_along_its_translations() -> None:
    contract = load_contract("rgb_stacking")
    positions = AxisPositions(contract)
    assert positions.stream == "tcp_pose"
    values = np.arange(contract.proprioception_dim)  # eight joints, then the pose
    assert positions.find(frame(values)).tolist() == [8.0, 9.0, 10.0, 0.0]  # type: ignore[union-attr]
    assert positions.age(frame(values, tcp_pose=100_000_000), 150_000_000) == pytest.approx(0.05)
    assert positions.age(frame(values, tcp_pose=200_000_000), 150_000_000) == 0.0


def test_joints_have_their_positions_at_the_frame_wherever_they_are_observed() -> None:
    parts = (Proprioception("joint_states", ("finger",), history_s=(0.1,)), Proprioception("joint_states", ("elbow",)))
    contract = dataclasses.replace(joints.CONTRACT, proprioception=parts)
    positions = AxisPositions(contract)
    assert positions.stream == "joint_states"
    assert positions.find(frame(np.array([1.0, 2.0, 3.0]))).tolist() == [3.0, 1.0]  # type: ignore[union-attr]


def test_tool_without_a_pose_has_no_positions() -> None:
    contract = load_contract("rgb_stacking")
    positions = AxisPositions(dataclasses.replace(contract, proprioception=contract.proprioception[:2]))
    assert positions.stream is None
    assert positions.find(frame(np.zeros(8))) is None and positions.age(frame(np.zeros(8)), 9) == 0.0

"""Joints and poses out of messages, and messages that cannot be used."""

from types import SimpleNamespace as Message

import numpy as np
import pytest

from lossless_ros.contract import Robot, load_contract
from lossless_ros.errors import DataError
from lossless_ros.observation.messages import check_frame_id, decode, joint_positions, pose_vector, stamp_ns


def test_joints_come_by_name_whatever_their_order():
    msg = Message(name=["b", "c", "a"], position=[2.0, 3.0, 1.0])
    assert joint_positions(msg, ("a", "b")) == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize("msg", [Message(name=["a"], position=[1.0]), Message(name=["a", "b"], position=[1.0])])
def test_joints_that_a_message_lacks_are_not_in_it(msg):
    assert joint_positions(msg, ("a", "b")) == {"a": 1.0}


def test_unusable_joints_say_why():
    with pytest.raises(DataError, match="position of b is not finite"):
        joint_positions(Message(name=["a", "b"], position=[1.0, float("nan")]), ("a", "b"))


@pytest.mark.parametrize("frame_id", ["base", "/base", ""])
def test_a_pose_in_the_frame_of_the_commands_is_used(frame_id):
    check_frame_id(Message(header=Message(frame_id=frame_id)), "base")


def test_a_pose_in_another_frame_is_refused_with_both_named():
    with pytest.raises(DataError, match="in frame 'base', expected 'base_link', the frame of the commands"):
        check_frame_id(Message(header=Message(frame_id="base")), "base_link")
    msg = pose(1, 2, 3, 0, 0, 0, 1)
    msg.header = Message(frame_id="base")
    contract = load_contract("rgb_stacking")
    assert decode(contract, Robot(), "tcp_pose", msg)[""].shape == (9,)
    with pytest.raises(DataError, match="in frame 'base', expected 'base_link'"):
        decode(contract, Robot(frame_id="base_link"), "tcp_pose", msg)


def pose(x, y, z, qx, qy, qz, qw):
    position, orientation = Message(x=x, y=y, z=z), Message(x=qx, y=qy, z=qz, w=qw)
    return Message(pose=Message(position=position, orientation=orientation))


def test_pose_does_not_depend_on_the_quaternions_sign():
    half = np.sqrt(0.5)
    vector = pose_vector(pose(1, 2, 3, 0, 0, half, half))
    np.testing.assert_allclose(vector, [1, 2, 3, 0, 1, 0, -1, 0, 0], atol=1e-15)
    np.testing.assert_array_equal(vector, pose_vector(pose(1, 2, 3, 0, 0, -half, -half)))


@pytest.mark.parametrize("bad", [(0, 0, 0, 0, 0, 0, 0), (float("nan"), 0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 0, 2)])
def test_invalid_pose_says_why(bad):
    with pytest.raises(DataError, match="not a valid pose"):
        pose_vector(pose(*bad))


def test_a_robots_own_joint_names_are_used():
    contract = load_contract("rgb_stacking")
    names = [n for p in contract.proprioception for n in p.names]
    msg = Message(name=[f"my_{n}" for n in names], position=list(range(8)))
    sample = decode(contract, Robot(joints={n: f"my_{n}" for n in names}), "joint_states", msg)
    np.testing.assert_array_equal(np.concatenate([sample[n] for n in names]), range(8))


def test_stamp_in_nanoseconds():
    assert stamp_ns(Message(header=Message(stamp=Message(sec=3, nanosec=5)))) == 3_000_000_005

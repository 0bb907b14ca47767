"""Joints and poses out of messages, and messages that cannot be used."""

from types import SimpleNamespace as Message

import numpy as np
import pytest

from lossless_ros.contract import Robot, load_contract
from lossless_ros.errors import DataError
from lossless_ros.observation.messages import decode, joint_positions, pose_vector, stamp_ns


def test_joints_come_by_name_whatever_their_order():
    msg = Message(name=["b", "c", "a"], position=[2.0, 3.0, 1.0])
    np.testing.assert_array_equal(joint_positions(msg, ("a", "b")), [1.0, 2.0])


@pytest.mark.parametrize(
    ("msg", "why"),
    [
        (Message(name=["a"], position=[1.0]), "no position of b"),
        (Message(name=["a", "b"], position=[1.0]), "no position of b"),
        (Message(name=["a", "b"], position=[1.0, float("nan")]), "not finite"),
    ],
)
def test_unusable_joints_say_why(msg, why):
    with pytest.raises(DataError, match=why):
        joint_positions(msg, ("a", "b"))


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
    parts = decode(contract, Robot(joints={n: f"my_{n}" for n in names}), "joint_states", msg)
    np.testing.assert_array_equal(np.concatenate(parts), range(8))


def test_stamp_in_nanoseconds():
    assert stamp_ns(Message(header=Message(stamp=Message(sec=3, nanosec=5)))) == 3_000_000_005

"""Decoding: every encoding, padded rows, and messages that cannot be used."""

from types import SimpleNamespace as Message

import cv2
import numpy as np
import pytest

from lossless_ros.contract import Robot, load_contract
from lossless_ros.messages import DataError, decode, fit, image_to_rgb, joint_positions, pose_vector, stamp_ns

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)


def image(encoding, array, pad=0):
    height, width = array.shape[:2]
    rows = np.ascontiguousarray(array).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=7)
    return Message(encoding=encoding, height=height, width=width, step=rows.shape[1], data=rows.tobytes())


@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "array"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[:, :, ::-1]),
        ("rgba8", np.dstack([RGB, RGB[:, :, 0]])),
        ("bgra8", np.dstack([RGB[:, :, ::-1], RGB[:, :, 0]])),
    ],
)
def test_colour_encodings_give_the_same_image(encoding, array, pad):
    np.testing.assert_array_equal(image_to_rgb(image(encoding, array, pad)), RGB)


def test_grey_image_has_three_equal_channels():
    decoded = image_to_rgb(image("mono8", RGB[:, :, :1]))
    np.testing.assert_array_equal(decoded, np.repeat(RGB[:, :, :1], 3, axis=2))


def test_compressed_png_is_exact():
    data = cv2.imencode(".png", RGB[:, :, ::-1])[1].tobytes()
    np.testing.assert_array_equal(image_to_rgb(Message(format="png", data=data)), RGB)


@pytest.mark.parametrize(
    ("msg", "why"),
    [
        (image("32FC1", RGB), "encoding '32FC1'"),
        (image("rgba8", RGB), "does not fit"),
        (Message(encoding="rgb8", height=6, width=5, step=15, data=b"123"), "does not fit 3 bytes"),
        (Message(encoding="rgb8", height=0, width=0, step=0, data=b""), "does not fit"),
        (Message(format="jpeg", data=b"no picture"), "does not decode"),
        (Message(format="jpeg", data=b""), "does not decode"),
    ],
)
def test_unusable_image_says_why(msg, why):
    with pytest.raises(DataError, match=why):
        image_to_rgb(msg)


def test_fit_crops_the_centre_and_resamples():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    fitted = fit(wide, 2, 2)
    assert fitted.shape == (2, 2, 3) and (fitted == 200).all()
    np.testing.assert_array_equal(fit(RGB, 5, 6), RGB)


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
def test_no_pose_says_so(bad):
    with pytest.raises(DataError, match="no pose"):
        pose_vector(pose(*bad))


def test_a_robots_own_joint_names_are_used():
    contract = load_contract("rgb_stacking")
    names = [n for p in contract.proprioception for n in p.names]
    msg = Message(name=[f"my_{n}" for n in names], position=list(range(8)))
    parts = decode(contract, Robot(joints={n: f"my_{n}" for n in names}), "joint_states", msg)
    np.testing.assert_array_equal(np.concatenate(parts), range(8))


def test_stamp_in_nanoseconds():
    assert stamp_ns(Message(header=Message(stamp=Message(sec=3, nanosec=5)))) == 3_000_000_005

"""Image messages: every encoding, padded rows, and messages that cannot be used."""

from pathlib import Path
from types import SimpleNamespace as Message

import cv2
import numpy as np
import pytest

from lossless_ros.errors import DataError
from lossless_ros.observation import images
from lossless_ros.observation.images import fit, image_to_rgb

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
def test_color_encodings_give_the_same_image(encoding, array, pad):
    np.testing.assert_array_equal(image_to_rgb(image(encoding, array, pad)), RGB)


def test_gray_image_has_three_equal_channels():
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


def test_fit_crops_the_center_and_resamples():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    fitted = fit(wide, 2, 2)
    assert fitted.shape == (2, 2, 3) and (fitted == 200).all()
    np.testing.assert_array_equal(fit(RGB, 5, 6), RGB)


def test_cv_bridge_of_pypi_is_not_taken_for_the_distributions(tmp_path: Path, monkeypatch):
    (tmp_path / "cv_bridge.py").write_text("class CvBridge: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    images._cv_bridge.cache_clear()
    assert images._cv_bridge() is None
    images._cv_bridge.cache_clear()


@pytest.mark.parametrize("pad", [0, 3, 4])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8"])
def test_cv_bridge_gives_the_same_picture(encoding, pad):
    """So that a bag, whose messages it does not take, and the live topics give the same frames."""
    if images._cv_bridge() is None:
        pytest.skip("ROS 2's cv_bridge is not installed")
    from sensor_msgs.msg import Image

    channels = images._CHANNELS[encoding]
    ours = image(encoding, np.random.default_rng(1).integers(0, 256, (6, 5, channels), np.uint8), pad)
    msg = Image(encoding=encoding, height=6, width=5, step=ours.step)
    msg.data.frombytes(ours.data)
    np.testing.assert_array_equal(image_to_rgb(msg), image_to_rgb(ours))

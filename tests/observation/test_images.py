"""Image messages: every encoding, padded rows, and messages that cannot be used."""

import sys
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


BLUE = np.full((8, 6, 3), (20, 60, 200), np.uint8)


def yuv():
    """Return Y, U and V of BLUE."""
    planes = cv2.cvtColor(BLUE, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    return dict(zip("yuv", planes[[0, 48, 60]], strict=True))


def packed(order):
    """Return BLUE with two bytes per pixel."""
    return np.tile(np.array([yuv()[name] for name in order], np.uint8), (8, 3)).reshape(8, 6, 2)


def semi_planar(order):
    """Return BLUE with rows of colors below the brightness."""
    colors = np.tile(np.array([yuv()[name] for name in order], np.uint8), (4, 3))
    return np.concatenate([np.full((8, 6), yuv()["y"], np.uint8), colors])


def bayer(pattern):
    rows = np.array([BLUE[0, 0]["rgb".index(color)] for color in pattern], np.uint8).reshape(2, 2)
    return np.tile(rows, (4, 3))


@pytest.mark.parametrize("pad", [0, 4])
@pytest.mark.parametrize(
    ("encoding", "array"),
    [
        ("yuv422", packed("uyvy")),
        ("uyvy", packed("uyvy")),
        ("yuv422_yuy2", packed("yuyv")),
        ("yuyv", packed("yuyv")),
        ("nv12", semi_planar("uv")),
        ("nv21", semi_planar("vu")),
        ("bayer_rggb8", bayer("rggb")),
        ("bayer_bggr8", bayer("bggr")),
        ("bayer_gbrg8", bayer("gbrg")),
        ("bayer_grbg8", bayer("grbg")),
        ("8UC4", np.dstack([BLUE[:, :, ::-1], BLUE[:, :, 0]])),
    ],
)
def test_encodings_of_common_drivers_give_the_picture(encoding, array, pad):
    msg = image(encoding, array, pad)
    msg.height = 8
    decoded = image_to_rgb(msg)
    assert decoded.shape == BLUE.shape and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - BLUE).max() <= 6  # YUV is rounded
    msg.data = msg.data[:-1]
    with pytest.raises(DataError, match="does not fit"):
        image_to_rgb(msg)


@pytest.mark.parametrize("encoding", ["yuv422", "nv12"])
def test_size_that_an_encoding_cannot_have_is_refused(encoding):
    with pytest.raises(DataError, match=f"5x6 is not a size of encoding {encoding}"):
        image_to_rgb(Message(encoding=encoding, height=6, width=5, step=10, data=bytes(200)))


DEPTH = np.full((6, 5), 700, np.uint16)


def compressed(format_, array, extension=".png"):
    return Message(format=format_, data=cv2.imencode(extension, array)[1].tobytes())


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "mono16", "64FC1", "16SC1"])
def test_raw_depth_is_no_camera_picture(encoding):
    with pytest.raises(DataError, match=f"encoding '{encoding}' is depth or raw data, expected a camera picture"):
        image_to_rgb(image(encoding, DEPTH.view(np.uint8)))


@pytest.mark.parametrize(
    "msg",
    [
        compressed("16UC1; png compressed ", DEPTH),
        compressed("mono16; png compressed ", DEPTH),
        compressed("png", DEPTH),
        compressed("16UC1; png compressed ", (DEPTH >> 8).astype(np.uint8)),
        compressed("16UC1; compressedDepth png", DEPTH),
    ],
    ids=lambda msg: msg.format,
)
def test_compressed_depth_is_no_camera_picture(msg):
    """Decoded to 8 bits, depth in mm is a nearly black picture."""
    with pytest.raises(DataError, match="depth"):
        image_to_rgb(msg)


def test_jpeg_and_png_with_a_damaged_size_are_refused():
    """OpenCV raises an error of its own for some sizes, and takes gigabytes for others."""
    jpeg = bytearray(cv2.imencode(".jpg", RGB)[1].tobytes())
    at = jpeg.find(b"\xff\xc0") + 5
    for size in (b"\xff\xdc\xff\xdc", b"\x00\x00\x00\x00", b"\x75\x30\x75\x30"):
        jpeg[at : at + 4] = size
        with pytest.raises(DataError, match="claims|does not decode"):
            image_to_rgb(Message(format="jpeg", data=bytes(jpeg)))
    png = bytearray(cv2.imencode(".png", RGB)[1].tobytes())
    png[16:24] = b"\x00\x00\x75\x30" * 2
    with pytest.raises(DataError, match="claims 30000x30000 px, at most 64 million"):
        image_to_rgb(Message(format="png", data=bytes(png)))


@pytest.mark.parametrize("error", ["ImportError", "SystemError", "AttributeError", "RuntimeError"])
def test_cv_bridge_that_fails_is_done_without(tmp_path: Path, monkeypatch, error):
    marker = tmp_path / "share/ament_index/resource_index/packages/cv_bridge"
    marker.parent.mkdir(parents=True)
    marker.touch()
    (tmp_path / "cv_bridge.py").write_text(f"raise {error}('initialization of cv_bridge_boost raised')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    monkeypatch.setattr(images, "_is_of_rclpy", lambda msg: True)
    images._cv_bridge.cache_clear()
    np.testing.assert_array_equal(image_to_rgb(image("rgb8", RGB)), RGB)
    images._cv_bridge.cache_clear()

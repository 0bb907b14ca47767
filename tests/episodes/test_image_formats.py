"""Formats of recorded images: png is exact, jpeg is close, and both are read like raw images."""

import dataclasses
import os

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.image_formats import IMAGE_FORMATS, compress
from lossless_ros.episodes.reader import read_episode
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.observation.images import decompress
from lossless_ros.paths import cache_dir

CONTRACT = load_contract("rgb_stacking")
STEPS = 4


def picture(rng, width, height):
    """Return a smooth image with some noise, different in each channel."""
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.int16)
    return np.clip(smooth + rng.integers(-3, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def record(path, image_format, contract=CONTRACT):
    rng = np.random.default_rng(0)
    with EpisodeWriter(path, contract, image_format) as writer:
        for step in range(STEPS):
            cameras = {c.name: picture(rng, c.width, c.height) for c in contract.cameras}
            joints = {f"joint_{k}": rng.normal(size=7) for k in ("position", "velocity", "effort")}
            gripper = {f"gripper_{k}": rng.random(1) for k in ("position", "velocity", "effort")}
            tool = {"tcp_pose": np.array([0.6, 0.01, 0.2, 1.0, 0, 0, 0])}
            stamp = 1_000_000_000 + step * contract.period_ns
            writer.observe(stamp, cameras | joints | gripper | tool)
            writer.act(stamp, np.float32([0.01, -0.02, 0.03, 0.5, 1]))
        writer.close({})
    return path


@pytest.mark.parametrize("size", [(128, 128), (97, 61)])
def test_png_frames_are_those_of_raw_images(tmp_path, size):
    cameras = tuple(dataclasses.replace(c, width=size[0], height=size[1]) for c in CONTRACT.cameras)
    contract = dataclasses.replace(CONTRACT, cameras=cameras)
    raw, png = (read_episode(record(tmp_path / name, name, contract), contract) for name in ("raw", "png"))
    assert len(raw.frames) == STEPS
    for frame, same in zip(raw.frames, png.frames, strict=True):
        np.testing.assert_array_equal(frame.images, same.images)
        np.testing.assert_array_equal(frame.proprioception, same.proprioception)
        assert (frame.stamp, frame.stamps) == (same.stamp, same.stamps)
    np.testing.assert_array_equal(raw.actions, png.actions)


def test_jpeg_frames_are_close_and_small(tmp_path):
    raw, _, jpeg = (read_episode(record(tmp_path / name, name), CONTRACT) for name in IMAGE_FORMATS)
    difference = [np.subtract(a.images, b.images, dtype=np.int16) for a, b in zip(raw.frames, jpeg.frames, strict=True)]
    assert 0 < np.abs(difference).mean() < 3
    sizes = [(tmp_path / name / f"{name}.mcap").stat().st_size for name in IMAGE_FORMATS]
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2]


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_compressed_images_are_those_of_image_transport(tmp_path, image_format):
    record(tmp_path / "bag", image_format)
    types = get_typestore(Stores.ROS2_HUMBLE)
    with Reader(tmp_path / "bag") as reader:
        topics = {c.topic: c for c in reader.connections if "image_raw" in c.topic}
        assert set(topics) == {f"/{c.topic}/compressed" for c in CONTRACT.cameras}
        assert {c.msgtype for c in topics.values()} == {"sensor_msgs/msg/CompressedImage"}
        for connection, time, data in reader.messages(list(topics.values())):
            msg = types.deserialize_cdr(data, connection.msgtype)
            assert msg.format == f"rgb8; {image_format} compressed bgr8"
            assert msg.header.frame_id == connection.topic.split("/")[1]
            assert msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec == time
            assert bytes(msg.data[:4]) == {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff\xe0"}[image_format]
    with Reader(tmp_path / "bag") as reader:
        qos = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
        assert {qos[topic].reliability.name for topic in topics} == {"BEST_EFFORT"}


def test_cache_of_a_png_bag_is_that_of_the_raw_bag(tmp_path):
    bags = [record(tmp_path / name, name) for name in ("raw", "png")]
    raw, png = decode_episodes(bags, CONTRACT)
    assert raw.key != png.key
    np.testing.assert_array_equal(raw.images, png.images)


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_cached_frames_are_those_of_the_bag_and_take_no_more_space(tmp_path, image_format):
    bag = record(tmp_path / "bag", image_format)
    for _ in range(2):  # decoded, then from the cache
        cached = decode_episodes([bag], CONTRACT)[0]
        for t, frame in enumerate(read_episode(bag, CONTRACT).frames):
            np.testing.assert_array_equal([images[t] for images in cached.images], frame.images)
    assert [len(images) for images in cached.images] == [STEPS] * len(CONTRACT.cameras)
    folder = cache_dir() / "episodes" / cached.key
    images = [path for path in folder.iterdir() if path.suffix in (".images", ".rgb")]
    assert len(images) == len(CONTRACT.cameras)
    assert sum(path.stat().st_size for path in images) < (bag / "bag.mcap").stat().st_size


def test_compressed_images_of_another_size_are_resized_in_the_cache(tmp_path):
    bag = record(tmp_path / "bag", "jpeg")
    small = dataclasses.replace(
        CONTRACT, cameras=tuple(dataclasses.replace(c, width=64, height=48) for c in CONTRACT.cameras)
    )
    images = decode_episodes([bag], small)[0].images[1]
    assert images.shape == (STEPS, 48, 64, 3)
    np.testing.assert_array_equal(images, [frame.images[1] for frame in read_episode(bag, small).frames])


def test_cache_keeps_no_file_open_and_reports_a_lost_or_damaged_one(tmp_path):
    open_before = len(os.listdir("/proc/self/fd"))
    images = decode_episodes([record(tmp_path / "bag", "jpeg")], CONTRACT)[0].images[0]
    assert images[-1].shape == (128, 128, 3) and len(os.listdir("/proc/self/fd")) == open_before
    with pytest.raises(IndexError):
        images[STEPS]
    images.path.write_bytes(bytes(images.path.stat().st_size))
    with pytest.raises(LosslessError, match="camera_0.images is damaged at image 0; delete it"):
        images[0]
    images.path.write_bytes(b"short")
    with pytest.raises(LosslessError, match="missing or cut off.*; delete it, it will be rebuilt"):
        decode_episodes([tmp_path / "bag"], CONTRACT)
    images.path.unlink()
    with pytest.raises(LosslessError, match="camera_0.images: No such file or directory; it will be rebuilt"):
        images[0]


def test_jpeg_keeps_the_colors_of_single_pixels():
    image = np.full((32, 32, 3), 120, np.uint8)
    image[::2, ::2] = (200, 40, 40)
    error = np.abs(np.int16(decompress(compress(image, "jpeg"))) - image)
    assert error.max() < 30  # 81 with colors at half the resolution


def test_unknown_format_is_one_line_and_writes_nothing(tmp_path):
    with pytest.raises(LosslessError, match="unknown image format 'gif'; known: jpeg, png, raw"):
        EpisodeWriter(tmp_path / "bag", CONTRACT, "gif")
    assert IMAGE_FORMATS == ("raw", "png", "jpeg")
    assert list(tmp_path.iterdir()) == []

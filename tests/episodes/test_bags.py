"""Episodes as rosbag2 folders: what is written is what is read, and a damaged bag is one line."""

import hashlib
import json
import os

import cv2
import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import Robot, load_contract
from lossless_ros.episodes.reader import find_episodes, read_episode, read_info
from lossless_ros.episodes.sim_messages import JOINT_NAMES, ObservationFrames
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.observation.images import image_to_rgb

CONTRACT = load_contract("rgb_stacking")
STEPS = 12


def observation(rng):
    cameras = {c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in CONTRACT.cameras}
    joints = {f"joint_{k}": rng.normal(size=7) for k in ("position", "velocity", "effort")}
    gripper = {f"gripper_{k}": rng.random(1) for k in ("position", "velocity", "effort")}
    return {**cameras, **joints, **gripper, "tcp_pose": np.array([0.6, 0.01, 0.2, 1.0, 0, 0, 0])}


def record(path, seed=0):
    rng = np.random.default_rng(seed)
    observations, actions = [], []
    with EpisodeWriter(path, CONTRACT) as writer:
        for step in range(STEPS):
            stamp = 1_000_000_000 + step * CONTRACT.period_ns
            observations.append(observation(rng))
            actions.append(np.float32([0.01 * step, -0.02, 0.03, 0.5, 1 if step > 5 else -1]))
            writer.observe(stamp, observations[-1])
            writer.act(stamp, actions[-1])
        writer.close({"seed": seed, "success": True})
    return observations, np.array(actions)


def message_digest(path):
    with Reader(path) as reader:
        digest = hashlib.sha256()
        for connection, time, data in reader.messages():
            digest.update(f"{connection.topic} {time} ".encode() + bytes(data))
    return digest.hexdigest()


def test_frames_and_actions_come_back_as_they_were(tmp_path):
    observations, actions = record(tmp_path / "bag")
    episode = read_episode(tmp_path / "bag", CONTRACT)
    assert episode.info == {"seed": 0, "success": True}
    np.testing.assert_array_equal(episode.actions, actions)
    assert len(episode.frames) == STEPS
    frames = ObservationFrames(CONTRACT)
    for frame, seen in zip(episode.frames, observations, strict=True):
        direct = frames(frame.stamp, seen)
        np.testing.assert_array_equal(frame.images, [seen[c.name] for c in CONTRACT.cameras])
        np.testing.assert_array_equal(frame.proprioception, direct.proprioception)


def test_another_program_reads_the_bag_with_rosbags_alone(tmp_path):
    record(tmp_path / "bag")
    types = get_typestore(Stores.ROS2_HUMBLE)
    stamps = {}
    with Reader(tmp_path / "bag") as reader:
        for connection, time, data in reader.messages():
            msg = types.deserialize_cdr(data, connection.msgtype)
            if hasattr(msg, "header"):
                stamp = msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec
                assert stamp == time
                stamps.setdefault(connection.topic, []).append(stamp)
            if connection.topic == "/joint_states":
                assert tuple(msg.name) == JOINT_NAMES
                assert len(msg.position) == len(msg.velocity) == len(msg.effort) == 8
            if connection.topic == "/gripper_controller/commands":
                assert msg.data[0] in (0.0, 0.8)
            if connection.topic.endswith("image_raw"):
                assert (msg.encoding, msg.height, msg.width, msg.step) == ("rgb8", 128, 128, 384)
    assert len(stamps) == 5
    assert all(set(np.diff(times)) == {50_000_000} for times in stamps.values())


def test_metadata_is_what_rosbag2_reads_from_humble_on(tmp_path):
    record(tmp_path / "bag")
    bag = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert bag["version"] == 8 and bag["storage_identifier"] == "mcap"
    assert bag["relative_file_paths"] == ["bag.mcap"]
    assert sorted(p.name for p in (tmp_path / "bag").iterdir()) == ["bag.mcap", "metadata.yaml"]
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]
    topics = {t["topic_metadata"]["name"]: t["message_count"] for t in bag["topics_with_message_count"]}
    assert set(topics.values()) == {STEPS} and len(topics) == 6
    assert json.loads(bag["custom_data"]["lossless"]) == read_info(tmp_path / "bag")


def test_same_content_gives_the_same_messages(tmp_path):
    record(tmp_path / "a")
    record(tmp_path / "b")
    record(tmp_path / "c", seed=1)
    assert message_digest(tmp_path / "a") == message_digest(tmp_path / "b") != message_digest(tmp_path / "c")


def test_an_episode_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), EpisodeWriter(tmp_path / "bag", CONTRACT):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    record(tmp_path / "bag")
    with pytest.raises(LosslessError, match="exists already"):
        EpisodeWriter(tmp_path / "bag", CONTRACT)


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LosslessError, match="cannot write into"):
        EpisodeWriter(tmp_path / "file" / "bag", CONTRACT)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_bag_is_one_line(tmp_path, keep):
    record(tmp_path / "bag")
    mcap = next((tmp_path / "bag").glob("*.mcap"))
    os.truncate(mcap, int(keep * mcap.stat().st_size))
    with pytest.raises(LosslessError, match="cannot be read as a recording") as caught:
        read_episode(tmp_path / "bag", CONTRACT)
    assert "\n" not in str(caught.value) and "bag" in str(caught.value)


def test_a_missing_topic_is_named_with_those_that_are_there(tmp_path):
    record(tmp_path / "bag")
    with pytest.raises(LosslessError, match="no topic /arm/joint_states; the bag has .*/joint_states"):
        read_episode(tmp_path / "bag", CONTRACT, Robot(topics={"joint_states": "/arm/joint_states"}))


def test_a_camera_of_which_only_the_compressed_topic_was_recorded_is_read(tmp_path):
    observations, actions = record(tmp_path / "bag")
    types = get_typestore(Stores.ROS2_JAZZY)
    kind = "sensor_msgs/msg/CompressedImage"
    with (
        Reader(tmp_path / "bag") as reader,
        Writer(tmp_path / "small", version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        topics = {c.topic: (c.topic, c.msgtype) for c in reader.connections}
        topics |= {t: (f"{t}/compressed", kind) for t in topics if t.endswith("image_raw")}
        out = {topic: writer.add_connection(*how, typestore=types) for topic, how in topics.items()}
        for connection, time, data in reader.messages():
            if connection.topic.endswith("image_raw"):
                msg = types.deserialize_cdr(data, connection.msgtype)
                _, png = cv2.imencode(".png", image_to_rgb(msg)[..., ::-1])
                data = types.serialize_cdr(types.types[kind](msg.header, "png", png), kind)
            writer.write(out[connection.topic], time, data)
    episode = read_episode(tmp_path / "small", CONTRACT)
    np.testing.assert_array_equal(episode.actions, actions)
    for frame, seen in zip(episode.frames, observations, strict=True):
        np.testing.assert_array_equal(frame.images, [seen[c.name] for c in CONTRACT.cameras])


def test_episodes_are_found_one_level_down(tmp_path):
    for name in ("b", "a"):
        record(tmp_path / name)
    assert find_episodes([tmp_path]) == [tmp_path / "a", tmp_path / "b"]
    assert find_episodes([tmp_path / "b"]) == [tmp_path / "b"]
    with pytest.raises(LosslessError, match="no such folder"):
        find_episodes([tmp_path / "none"])
    (tmp_path / "a" / "empty").mkdir()
    with pytest.raises(LosslessError, match="no rosbag2 folder"):
        find_episodes([tmp_path / "a" / "empty"])

"""Object poses in bags: exact, aligned with the frames, and unknown to everything that a policy observes."""

import dataclasses

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import load_contract
from lossless_ros.episodes import cache
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECT_POSES, OBJECTS
from lossless_ros.episodes.reader import read_episode
from lossless_ros.episodes.sim_messages import action_messages, message_types, observation_messages
from lossless_ros.episodes.sim_state import SIM_STATE
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError

CONTRACT = load_contract("rgb_stacking")
STEPS = 8
PRIVILEGED = (f"/{OBJECT_POSES}", f"/{SIM_STATE}")


def stamp_of(step):
    return 1_000_000_000 + step * CONTRACT.period_ns


def random_poses(rng):
    """Return a pose (7,) by color, in another order than that of the messages."""
    quaternions = {name: rng.normal(size=4) for name in reversed(OBJECTS)}
    return {name: np.append(rng.normal(size=3), q / np.linalg.norm(q)) for name, q in quaternions.items()}


def record(path, object_poses=True, steps_without=(), change=lambda poses: poses):
    """Record an episode and return its poses by color, one dictionary per step."""
    rng, pose_rng, recorded = np.random.default_rng(0), np.random.default_rng(1), []
    with EpisodeWriter(path, CONTRACT, privileged=object_poses) as writer:
        for step in range(STEPS):
            cameras = {c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in CONTRACT.cameras}
            joints = {f"joint_{k}": rng.normal(size=7) for k in ("position", "velocity", "effort")}
            gripper = {f"gripper_{k}": rng.random(1) for k in ("position", "velocity", "effort")}
            tool = {"tcp_pose": np.array([0.6, 0.01, 0.2, 1.0, 0, 0, 0])}
            writer.observe(stamp_of(step), cameras | joints | gripper | tool)
            writer.act(stamp_of(step), np.float32([0.01, -0.02, 0.03, 0.5, 1]))
            recorded.append(random_poses(pose_rng))
            if object_poses and step not in steps_without:
                writer.observe_privileged(stamp_of(step), change(recorded[-1]), np.arange(36.0))
        writer.close({"success": True})
    return recorded


def messages(path):
    """Return (topic, log time, bytes) of all messages."""
    with Reader(path) as reader:
        return [(connection.topic, time, bytes(data)) for connection, time, data in reader.messages()]


def test_poses_come_back_exactly_in_the_documented_order(tmp_path):
    recorded = record(tmp_path / "bag")
    episode = read_episode(tmp_path / "bag", CONTRACT)
    assert OBJECTS == ("red", "green", "blue")
    assert episode.object_poses.shape == (STEPS, 3, 7)
    np.testing.assert_array_equal(episode.object_poses, [[poses[name] for name in OBJECTS] for poses in recorded])


def test_the_order_is_that_of_the_simulator():
    from lossless_sim.scene.names import COLORS

    assert OBJECTS == COLORS


def test_poses_are_standard_messages_with_the_frame_and_stamp_of_the_observation(tmp_path):
    recorded = record(tmp_path / "bag")
    types = get_typestore(Stores.ROS2_HUMBLE)
    found = [(time, data) for topic, time, data in messages(tmp_path / "bag") if topic == "/privileged/object_poses"]
    assert len(found) == STEPS
    for step, (time, data) in enumerate(found):
        msg = types.deserialize_cdr(data, "geometry_msgs/msg/PoseArray")
        assert msg.header.frame_id == CONTRACT.action.frame_id == "base"
        assert msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec == time == stamp_of(step)
        assert [pose.position.x for pose in msg.poses] == [recorded[step][name][0] for name in OBJECTS]


def test_the_other_messages_of_a_bag_are_the_same_with_and_without_poses(tmp_path):
    record(tmp_path / "with")
    record(tmp_path / "without", object_poses=False)
    others = [message for message in messages(tmp_path / "with") if message[0] not in PRIVILEGED]
    assert others == messages(tmp_path / "without")


def test_policies_and_the_simulated_robot_do_not_know_the_topic(tmp_path):
    record(tmp_path / "with")
    record(tmp_path / "without", object_poses=False)
    observation = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in CONTRACT.cameras}
    observation |= {f"{part}_{k}": np.zeros(1) for part in ("joint", "gripper") for k in ("position", "velocity")}
    observation |= {"joint_effort": np.zeros(1), "gripper_effort": np.zeros(1), "tcp_pose": np.zeros(7)}
    published = observation_messages(CONTRACT, 0, observation).keys() | action_messages(CONTRACT, 0, np.zeros(5)).keys()
    assert published == message_types(CONTRACT).keys()
    assert not any("privileged" in topic for topic in (*published, *map(CONTRACT.topic, CONTRACT.streams)))
    one, other = (read_episode(tmp_path / name, CONTRACT).frames for name in ("with", "without"))
    for frame, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(frame.images, same.images)
        np.testing.assert_array_equal(frame.proprioception, same.proprioception)
        assert frame.stamps == same.stamps


def test_bag_without_the_topic_has_no_poses(tmp_path):
    record(tmp_path / "bag", object_poses=False)
    assert read_episode(tmp_path / "bag", CONTRACT).object_poses is None


def test_bag_with_gaps_in_the_poses_is_one_line(tmp_path):
    record(tmp_path / "bag", steps_without=(2, 5))
    with pytest.raises(LosslessError, match="no message for 2 of 8 frames, the first at 1100000000 ns$") as caught:
        read_episode(tmp_path / "bag", CONTRACT)
    assert str(caught.value).startswith(f"{tmp_path}/bag: /privileged/object_poses: ")


@pytest.mark.parametrize(
    "wrong", [np.array([np.nan, 0, 0, 0, 0, 0, 1]), np.array([0, 0, 0, 0, 0, 0, 2.0]), np.array([np.inf, *[0.5] * 6])]
)
def test_invalid_pose_is_one_line_with_its_object_and_stamp(tmp_path, wrong):
    record(tmp_path / "bag", change=lambda poses: poses | {"green": wrong})
    match = "bag: /privileged/object_poses at 1000000000 ns: the pose of green is not valid"
    with pytest.raises(LosslessError, match=match):
        read_episode(tmp_path / "bag", CONTRACT)


def test_poses_follow_the_frames_of_a_slower_contract(tmp_path):
    recorded = record(tmp_path / "bag")
    episode = read_episode(tmp_path / "bag", dataclasses.replace(CONTRACT, rate_hz=10.0))
    np.testing.assert_array_equal(
        episode.object_poses, [[poses[name] for name in OBJECTS] for poses in recorded[: STEPS - 1 : 2]]
    )


def test_cache_and_dataset_carry_the_poses(tmp_path):
    recorded = record(tmp_path / "bag")
    record(tmp_path / "without", object_poses=False)
    expected = np.float32([[poses[name] for name in OBJECTS] for poses in recorded])
    for _ in range(2):  # decoded, then from the cache
        with_poses, without = decode_episodes([tmp_path / "bag", tmp_path / "without"], CONTRACT)
        assert with_poses.object_poses.dtype == np.float32
        np.testing.assert_array_equal(with_poses.object_poses, expected)
        assert without.object_poses is None
    both = Dataset([with_poses, with_poses]).object_poses
    np.testing.assert_array_equal(both, np.concatenate([expected, expected]))
    mixed = Dataset([with_poses, without]).object_poses
    np.testing.assert_array_equal(mixed[:STEPS], expected)
    assert mixed.shape == (2 * STEPS, 3, 7) and np.isnan(mixed[STEPS:]).all()


def test_cache_of_an_earlier_layout_is_not_read(tmp_path, monkeypatch):
    record(tmp_path / "bag")
    with monkeypatch.context() as earlier:
        earlier.setattr(cache, "_LAYOUT", "0")
        earlier.setattr(cache, "_write", write_without_poses(cache._write))
        old = decode_episodes([tmp_path / "bag"], CONTRACT)[0]
    new = decode_episodes([tmp_path / "bag"], CONTRACT)[0]
    assert old.object_poses is None and new.object_poses is not None
    assert old.key != new.key


def write_without_poses(write):
    def write_as_before(folder, *arguments):
        write(folder, *arguments)
        (folder / "object_poses.npy").unlink()

    return write_as_before

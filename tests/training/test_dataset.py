import dataclasses
import re
import shutil

import numpy as np
import pytest

from lossless_ros.contract import Camera, Gripper, Robot, load_robot
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import Dataset, split
from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.observation.timing import clock_fault, timing_fault
from lossless_ros.paths import cache_dir
from tests.support.recordings import EPISODE_STEPS, record_episode


@pytest.fixture
def decoded(episodes, contract):
    return decode_episodes(find_episodes([episodes]), contract)


def test_decoded_episode_is_the_bag_frame_by_frame(episodes, contract, decoded):
    episode = read_episode(episodes / "episode_2", contract)
    np.testing.assert_array_equal(decoded[2].actions, episode.actions)
    for t, frame in enumerate(episode.frames):
        np.testing.assert_array_equal([camera[t] for camera in decoded[2].images], frame.images)
        np.testing.assert_array_equal(decoded[2].proprioception[t], frame.proprioception)


def test_episode_is_decoded_once_and_found_by_its_content(episodes, contract, decoded, tmp_path):
    written = {p: p.stat().st_mtime_ns for p in cache_dir().rglob("*.npy")}
    shutil.copytree(episodes / "episode_1", tmp_path / "copy")
    again = decode_episodes([tmp_path / "copy"], contract)[0]
    assert again.key == decoded[1].key
    assert {p: p.stat().st_mtime_ns for p in cache_dir().rglob("*.npy")} == written


def test_other_content_or_another_contract_is_another_key(contract, decoded, tmp_path):
    other = decode_episodes([record_episode(tmp_path / "other", contract, 77)], contract)[0]
    slower = dataclasses.replace(contract, rate_hz=10.0)
    subsampled = decode_episodes([tmp_path / "other"], slower)[0]
    assert len({other.key, subsampled.key, *(d.key for d in decoded)}) == 6
    assert len(subsampled) < len(other)


def test_robot_is_part_of_the_key_as_far_as_it_affects_decoding(contract, decoded):
    path = decoded[0].path
    assert decode_episodes([path], contract, load_robot("sim"))[0].key == decoded[0].key
    wide = Robot(gripper=Gripper(open=0.0, closed=1.2))
    assert decode_episodes([path], contract, wide)[0].key != decoded[0].key


def test_cache_may_be_deleted_and_a_damaged_entry_is_one_line(episodes, contract, decoded):
    folder = cache_dir() / "episodes" / decoded[0].key
    (folder / "actions.npy").write_bytes(b"x")
    with pytest.raises(LosslessError, match="is damaged .*delete it"):
        decode_episodes([decoded[0].path], contract)
    shutil.rmtree(cache_dir())
    assert decode_episodes([decoded[0].path], contract)[0].key == decoded[0].key


def test_batch_takes_frames_from_any_episode(decoded):
    data = Dataset(decoded)
    at = np.array([0, EPISODE_STEPS - 1, EPISODE_STEPS, 3 * EPISODE_STEPS + 5])
    batch = data.batch(at)
    where = [(0, 0), (0, EPISODE_STEPS - 1), (1, 0), (3, 5)]
    np.testing.assert_array_equal(batch.images[1], [decoded[e].images[1][t] for e, t in where])
    np.testing.assert_array_equal(batch.actions, [decoded[e].actions[t] for e, t in where])
    assert len(data) == 4 * EPISODE_STEPS
    assert data.spread(5).tolist() == [0, 20, 40, 59, 79]


def test_last_successful_episodes_are_held_out(decoded):
    failed = dataclasses.replace(decoded[1], info={"success": False})
    robot = dataclasses.replace(decoded[2], info={})
    training, held_out = split([decoded[0], failed, robot, decoded[3]], 0.1, only_successful=True)
    assert training.episodes == (decoded[0], robot)
    assert held_out.episodes == (decoded[3],)
    training, _ = split([decoded[0], failed, robot, decoded[3]], 0.1, only_successful=False)
    assert failed in training.episodes


def test_looks_of_a_trajectory_are_on_one_side_and_count_once(decoded):
    looks = [
        dataclasses.replace(e, key=f"{e.key}'", images=tuple(255 - np.asarray(i) for i in e.images)) for e in decoded
    ]
    for episodes in ([*decoded, *looks], [*looks, *decoded]):
        training, held_out = split(episodes, 0.5, only_successful=True)
        assert training.episodes == (*episodes[0:2], *episodes[4:6])
        assert held_out.episodes == (*episodes[2:4], *episodes[6:8])
    with pytest.raises(LosslessError, match="all 2 episodes show one trajectory, expected at least 2"):
        split([decoded[0], looks[0]], 0.5, only_successful=True)


def test_too_few_successful_episodes_are_one_line(decoded):
    failed = [dataclasses.replace(d, info={"success": False}) for d in decoded]
    with pytest.raises(LosslessError, match="1 of 4 episodes can be trained on.*only_successful: false takes all"):
        split([decoded[0], *failed[1:]], 0.1, only_successful=True)


def test_action_chunks_end_with_their_episode(decoded):
    data = Dataset(decoded)
    actions, known = data.following(np.array([0, EPISODE_STEPS - 2, EPISODE_STEPS]), 3)
    np.testing.assert_array_equal(actions[0], decoded[0].actions[:3])
    np.testing.assert_array_equal(actions[1], decoded[0].actions[[-2, -1, -1]])
    np.testing.assert_array_equal(actions[2], decoded[1].actions[:3])
    assert known.tolist() == [[True] * 3, [True, True, False], [True] * 3]


def test_noops_can_be_left_out_but_not_where_the_gripper_switches(decoded):
    actions = np.tile(np.float32([0.001, 0, 0, 0, -1]), (EPISODE_STEPS, 1))  # slow, except for two frames
    actions[3] = [0.0, -0.03, 0, 0, -1]
    actions[7:, -1] = 1
    slow = dataclasses.replace(decoded[0], actions=actions)
    closed = dataclasses.replace(decoded[1], actions=actions[7:], images=decoded[1].images)
    data = Dataset([closed, slow])
    limits = np.array([0.07, 0.07, 0.07, 1.0])
    assert data.filter_noops(limits, 0.05).tolist() == [EPISODE_STEPS - 7 + 3, EPISODE_STEPS - 7 + 7]
    assert len(data.filter_noops(limits, 0.0)) == len(data)


def stamps_of_a_second(contract, **changes):
    """Return stamps [ns] of a second by topic; `changes` replaces those of a topic by the first part of its name."""
    regular = [50_000_000 * i for i in range(20)]
    topics = [f"/{contract.topic(stream)}" for stream in contract.streams]
    return {topic: changes.get(topic.split("/")[1], regular) for topic in topics}


@pytest.mark.parametrize(
    ("stamps", "fault"),
    [
        ([50 * i for i in range(20)], None),
        ([50 * i for i in range(20) if i != 7], None),  # one lost message
        ([10 * i for i in range(100)], None),  # faster than the contract
        ([50 * i for i in range(20) if not 5 < i < 11], "/tcp_pose is silent for 0.30 s after 0.25 s, .* allows 0.2 s"),
        ([100 * i for i in range(10)], "/tcp_pose has 10.0 Hz, contract 'rgb_stacking' needs 20 Hz"),
        ([*range(0, 500, 50), *range(0, 500, 50)], "/tcp_pose goes back in time by 0.45 s after 0.45 s"),
        ([0] * 20, "all 20 messages on /tcp_pose are stamped 0 s; expected the time of each"),
    ],
)
def test_slow_streams_and_gaps_are_named(contract, stamps, fault):
    found = timing_fault(contract, stamps_of_a_second(contract, tcp_pose=[10**6 * stamp for stamp in stamps]))
    assert found is None if fault is None else re.match(fault, found)


def test_a_topic_with_the_stamps_of_another_clock_is_named():
    delays = {"/front/image_raw": [2_000_000, 3_000_000], "/joint_states": [900_000_000] * 3, "/none": []}
    assert clock_fault(delays) is None
    fault = clock_fault({**delays, "/tcp_pose": [5_002_500_000] * 3})
    assert fault == "the stamps of /tcp_pose are 5.00 s behind those of /front/image_raw; synchronize the clocks"
    assert "5.00 s ahead of" in str(clock_fault({**delays, "/tcp_pose": [-4_997_500_000] * 3}))


def test_recording_with_a_gap_is_refused_by_name(contract, tmp_path):
    path = record_episode(tmp_path / "halting", contract, 3, pause_after=8)
    with pytest.raises(LosslessError, match="halting: /basket_front_left/image_raw is silent for 1.05 s after 0.35 s"):
        decode_episodes([path], contract)


def test_recording_at_another_rate_is_refused_or_subsampled_to_the_contract(contract, tmp_path):
    path = record_episode(tmp_path / "fast", contract, 3)
    wanted = dataclasses.replace(contract, rate_hz=40.0, max_age_s=0.1)
    with pytest.raises(LosslessError, match="fast: /basket_front_left/image_raw has 20.0 Hz, .* needs 40 Hz"):
        decode_episodes([path], wanted)
    assert len(decode_episodes([path], dataclasses.replace(contract, rate_hz=10.0))[0]) == EPISODE_STEPS // 2


def test_images_of_another_size_are_resized_to_the_contract(contract, tmp_path):
    path = record_episode(tmp_path / "large", contract, 3)
    small = dataclasses.replace(contract, cameras=tuple(Camera(c.name, 24, 24) for c in contract.cameras))
    images = decode_episodes([path], small)[0].images[0]
    assert images.shape == (EPISODE_STEPS, 24, 24, 3)
    assert np.asarray(images).std() > 10


def test_recording_without_a_camera_or_with_an_unsupported_encoding_is_refused_by_name(contract, tmp_path):
    path = record_episode(tmp_path / "one", contract, 3)
    more = dataclasses.replace(contract, cameras=(*contract.cameras, Camera("wrist", 48, 48)))
    with pytest.raises(LosslessError, match="one: no topic /wrist/image_raw; the bag has /basket_front_left/image_raw"):
        decode_episodes([path], more)
    path = record_episode(tmp_path / "depth", contract, 3, encoding="32FC1")
    with pytest.raises(LosslessError, match="depth: /basket_front_left/image_raw at 1000000000 ns: .*32FC1"):
        decode_episodes([path], contract)

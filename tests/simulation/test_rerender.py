"""Trajectories under other looks: the images are new, everything else is a copy."""

import hashlib
import json

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.reader import find_episodes, read_info
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.collect import CollectConfig, CollectWorker, DemonstrationRecorder, with_defaults
from lossless_ros.simulation.rerender import Look, RerenderConfig, RerenderWorker, rerender

CONTRACT = load_contract("rgb_stacking")
TASK = "rgb_stacking/triplet5"


def digests(path, images=True):
    with Reader(path) as reader:
        messages = [(c.topic, time, hashlib.sha256(data).hexdigest()) for c, time, data in reader.messages()]
    return [message for message in messages if images or "image_raw" not in message[0]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    out = tmp_path_factory.mktemp("source")
    config = with_defaults(CollectConfig(TASK, out, expert="random", max_steps=5, image_format="png"))
    worker = CollectWorker(DemonstrationRecorder(config, CONTRACT))
    for seed in (3, 4):
        worker(seed)
    return out


@pytest.fixture(scope="module")
def rendered(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("looks")
    return out, rerender(RerenderConfig(source, out, looks=2))


def test_own_look_is_the_source_byte_for_byte(source, tmp_path):
    own = source / "episode_000003"
    look = Look(own, tmp_path / "own", read_info(own), number=0, domain="randomized")
    name, info = RerenderWorker(CONTRACT)(look)
    assert name == "own" and info["draw"] == look.info["draw"]
    assert digests(tmp_path / "own") == digests(own)


def test_other_looks_change_the_images_and_nothing_else(source, rendered):
    out, infos = rendered
    names = [f"episode_00000{seed}_look_{number}" for seed in (3, 4) for number in (1, 2)]
    assert [path.name for path in find_episodes([out])] == names
    for name, info in zip(names, infos, strict=True):
        own = source / name[:14]
        assert digests(out / name, images=False) == digests(own, images=False)
        ours, theirs = (dict(((m[0], m[1]), m[2]) for m in digests(path)) for path in (out / name, own))
        assert ours.keys() == theirs.keys()
        assert all(ours[key] != theirs[key] for key in ours if "image_raw" in key[0])
        seed, number = int(name[8:14]), int(name[-1])
        looks = {"source": own.name, "number": number, "seed": seed + number * 1_000_000, "domain": "randomized"}
        assert read_info(out / name) == json.loads(json.dumps(info)) and info["looks"] == looks
        before = read_info(own)
        assert all(info[key] == before[key] for key in before if key != "draw")
        changed = {section for section in before["draw"] if before["draw"][section] != info["draw"][section]}
        assert changed == {"appearance", "lights", "cameras", "image"}
    assert len({json.dumps(info["draw"]["image"]) for info in infos}) == 4


def test_existing_looks_are_kept_and_looks_of_looks_are_not_made(source, rendered):
    out, infos = rendered
    before = [path.stat().st_mtime_ns for path in sorted(out.glob("*/*.mcap"))]
    counts = []
    again = rerender(RerenderConfig([source, out], out, looks=2), lambda *count: counts.append(count))
    assert again == json.loads(json.dumps(infos)) and counts == [(4, 4)]
    assert [path.stat().st_mtime_ns for path in sorted(out.glob("*/*.mcap"))] == before
    with pytest.raises(LosslessError, match="all are other looks already"):
        rerender(RerenderConfig(out, out))
    with pytest.raises(LosslessError, match="episode_000003_look_1 has looks .*'domain': 'randomized'.* give another"):
        rerender(RerenderConfig(source, out, domain="nominal"))


def test_looks_of_a_trajectory_are_held_out_together(source, rendered):
    episodes = decode_episodes(find_episodes([source, rendered[0]]), CONTRACT)
    training, held_out = split(episodes, 0.1, only_successful=False)
    assert [{episode.info["seed"] for episode in side.episodes} for side in (training, held_out)] == [{3}, {4}]
    assert len(training.episodes) == len(held_out.episodes) == 3


def test_episodes_that_cannot_be_rendered_are_one_line(source, tmp_path):
    with EpisodeWriter(tmp_path / "bags" / "episode_000009", CONTRACT) as writer:
        writer.act(1_000_000_000, np.zeros(5, np.float32))
        writer.close({"seed": 9})
    with pytest.raises(LosslessError, match="episode_000009 has no /privileged/sim_state; only new episodes of"):
        rerender(RerenderConfig(tmp_path / "bags", tmp_path / "out"))
    with pytest.raises(LosslessError, match="unknown domain 'moon'"):
        rerender(RerenderConfig(source, tmp_path / "out", domain="moon"))
    with pytest.raises(LosslessError, match="workers is 0, expected at least 1"):
        rerender(RerenderConfig(source, tmp_path / "out", workers=0))
    assert not (tmp_path / "out").exists()

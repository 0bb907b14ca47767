"""Collection in simulation: a seed names an episode, existing episodes are kept, nothing stays half-written."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from lossless_ros import defaults
from lossless_ros.contract import load_contract
from lossless_ros.defaults import EXPERTS_HELP
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT
from lossless_ros.episodes.reader import read_episode, read_info, read_messages
from lossless_ros.episodes.sim_state import SIM_STATE
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.collect import CollectConfig, collect
from lossless_ros.simulation.env import make_expert, make_simulator
from lossless_ros.simulation.episode import stamp_of

TASK = "rgb_stacking/triplet1"


def run(out, episodes=2, seed=3, on_progress=lambda info: None, **options):
    options = {"expert": "random", "max_steps": 6, "image_format": "raw", **options}
    return collect(CollectConfig(TASK, out, episodes, seed, **options), on_progress)


def digests(path):
    with Reader(path) as reader:
        return [(c.topic, at, hashlib.sha256(data).hexdigest()) for c, at, data in reader.messages()]


def test_images_that_are_not_square_are_refused_in_one_line():
    contract = load_contract("rgb_stacking")
    wide = dataclasses.replace(contract.cameras[0], width=160)
    with pytest.raises(LosslessError, match="needs square images that all have the same size"):
        make_simulator(TASK, "nominal", dataclasses.replace(contract, cameras=(wide, *contract.cameras[1:])))


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    out = tmp_path_factory.mktemp("collected")
    return out, run(out)


def test_episodes_are_named_by_their_seeds_and_meet_the_contract(collected):
    out, infos = collected
    assert sorted(p.name for p in out.iterdir()) == ["episode_000003", "episode_000004"]
    assert [info["seed"] for info in infos] == [3, 4]
    episode = read_episode(out / "episode_000003", load_contract("rgb_stacking"))
    assert len(episode.frames) == len(episode.actions) == 6
    assert episode.info["draw"]["domain"] == "randomized"


def test_same_seed_gives_the_same_messages_whatever_the_number_of_workers(collected, tmp_path):
    run(tmp_path, workers=2)
    for name in ("episode_000003", "episode_000004"):
        assert digests(tmp_path / name) == digests(collected[0] / name)
    assert digests(tmp_path / "episode_000003") != digests(tmp_path / "episode_000004")


def test_existing_episodes_are_kept_and_only_missing_ones_are_collected(collected, tmp_path):
    run(tmp_path, episodes=1)
    before = (tmp_path / "episode_000003" / "metadata.yaml").stat().st_mtime_ns
    seen = []
    run(tmp_path, on_progress=lambda info: seen.append(info["seed"]))
    assert seen == [3, 4]
    assert (tmp_path / "episode_000003" / "metadata.yaml").stat().st_mtime_ns == before


def test_episodes_of_another_job_in_the_folder_are_refused(collected):
    with pytest.raises(LosslessError, match="has expert 'random', not 'scripted'"):
        run(collected[0], expert="scripted")


def test_noise_disturbs_the_robot_and_not_the_labels(tmp_path):
    options = {"episodes": 1, "expert": "scripted", "max_steps": 12}
    for name, noise in (("clean", 0.0), ("noisy", 0.5)):
        run(tmp_path / name, expert_noise=noise, **options)
    contract = load_contract("rgb_stacking")
    clean, noisy = (read_episode(tmp_path / name / "episode_000003", contract) for name in ("clean", "noisy"))
    assert noisy.info["expert_noise"] == 0.5
    assert (clean.actions[0] == noisy.actions[0]).all()  # the same observation, the same label
    last = [episode.frames[-1].proprioception for episode in (clean, noisy)]
    assert abs(last[0] - last[1]).max() > 1e-3  # but the arm went elsewhere
    with pytest.raises(LosslessError, match="has expert_noise 0.5, not 0.0"):
        run(tmp_path / "noisy", **options)


def test_object_poses_are_those_of_the_simulator_at_the_frames(collected):
    poses = read_episode(collected[0] / "episode_000003", load_contract("rgb_stacking")).object_poses
    env = make_simulator(TASK, "randomized", load_contract("rgb_stacking"), images=False)
    expert, true = make_expert("random", TASK, 3), []
    observation, info = env.reset(seed=3)
    for _ in range(6):
        true.append([info["objects"][name] for name in ("red", "green", "blue")])
        observation, *_, info = env.step(expert.act(observation, info))
    np.testing.assert_array_equal(poses, true)
    assert np.ptp(poses[:, :, 2], axis=0).max() > 0  # they settle in the basket


def test_state_of_the_simulator_is_recorded_at_the_frames(collected):
    messages = list(read_messages(collected[0] / "episode_000003", {SIM_STATE}))
    env = make_simulator(TASK, "randomized", load_contract("rgb_stacking"), images=False)
    expert = make_expert("random", TASK, 3)
    observation, info = env.reset(seed=3)
    for step, (_, logged, msg) in enumerate(messages):
        np.testing.assert_array_equal(msg.data, info["qpos"])
        assert [(d.label, d.size) for d in msg.layout.dim] == [("qpos", len(info["qpos"]))]
        assert logged == stamp_of(step, load_contract("rgb_stacking"))
        observation, *_, info = env.step(expert.act(observation, info))
    assert step == 5


def test_png_bags_hold_the_frames_of_raw_bags(collected, tmp_path):
    infos = run(tmp_path, episodes=1, image_format="png")
    assert infos[0] == collected[1][0] | {"image_format": "png"}
    contract = load_contract("rgb_stacking")
    raw, png = (read_episode(folder / "episode_000003", contract) for folder in (collected[0], tmp_path))
    for frame, same in zip(raw.frames, png.frames, strict=True):
        np.testing.assert_array_equal(frame.images, same.images)
    np.testing.assert_array_equal(raw.object_poses, png.object_poses)
    other = [
        [message for message in digests(folder / "episode_000003") if "image_raw" not in message[0]]
        for folder in (collected[0], tmp_path)
    ]
    assert other[0] == other[1]
    sizes = [(folder / "episode_000003/episode_000003.mcap").stat().st_size for folder in (collected[0], tmp_path)]
    assert 2 * sizes[1] < sizes[0]


def test_images_are_jpeg_unless_told_otherwise():
    assert CollectConfig(TASK, "out").image_format == DEFAULT_FORMAT == "jpeg"


def test_formats_are_not_mixed_and_an_unknown_one_is_refused(collected, tmp_path):
    with pytest.raises(LosslessError, match="has image_format 'raw', not 'png'; give another --out"):
        run(collected[0], image_format="png")
    with pytest.raises(LosslessError, match="unknown image format 'gif'"):
        run(tmp_path / "out", image_format="gif")
    assert not (tmp_path / "out").exists()


def test_help_lists_the_experts_of_the_simulator():
    from lossless_sim.experts.expert import EXPERTS as known

    assert EXPERTS_HELP.replace(" or ", ", ").split(", ") == list(known)


def test_unstable_episode_is_reported_and_not_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    domain = tmp_path / "explosive.yaml"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    seen = []
    out = tmp_path / "out"
    infos = run(out, seed=0, domain=str(domain), on_progress=seen.append)
    assert infos == [] and sorted(info["seed"] for info in seen) == [0, 1]
    assert all("went unstable at step" in info["unstable"] for info in seen)
    assert os.listdir(out) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # files of this process fail as on a full disk
from lossless_ros.cli.app import main
sys.argv = ["lossless", "collect", *sys.argv[1:]]
main()
"""


def test_full_disk_is_a_one_line_error_and_leaves_nothing_half_written(tmp_path):
    options = ["--task", TASK, "--episodes", "2", "--out", str(tmp_path), "--expert", "random", "--max-steps", "20"]
    code = [sys.executable, "-c", FULL_DISK, *options, "--workers", "2", "--image-format", "raw"]
    done = subprocess.run(code, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("lossless:")]
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert "cannot write" in lines[0] and "File too large" in lines[0]
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_killed_collection_leaves_whole_episodes_and_can_be_continued(tmp_path):
    options = ["--task", TASK, "--episodes", "4", "--out", str(tmp_path), "--expert", "random", "--max-steps", "8"]
    code = "from lossless_ros.cli.app import main; main()"
    command = [sys.executable, "-c", code, "collect", *options, "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob("episode_*")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    for path in tmp_path.glob("episode_*"):
        assert len(digests(path)) == 8 * read_info(path)["steps"]
    subprocess.run(command, check=True, capture_output=True)
    deadline = time.monotonic() + 60
    while list(tmp_path.glob(".*")) and time.monotonic() < deadline:  # its worker may still be ending
        subprocess.run(command, check=True, capture_output=True)
    assert sorted(os.listdir(tmp_path)) == [f"episode_{seed:06d}" for seed in range(4)]


def test_information_in_the_bag_equals_the_returned_one(collected):
    out, infos = collected
    assert read_info(out / "episode_000004") == json.loads(json.dumps(infos[1]))


def test_longest_episode_is_the_simulators():
    from lossless_sim import timing

    assert defaults.MAX_STEPS == timing.MAX_STEPS

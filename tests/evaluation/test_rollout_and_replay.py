"""A bundle in closed loop and against a recording, with the real simulator and the real backbone."""

import dataclasses
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lossless_ros.cli import evaluate as command
from lossless_ros.cli.collect import collect as collect_command
from lossless_ros.contract import load_contract
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.compare import evaluate_baseline
from lossless_ros.evaluation.episode_table import STAGES
from lossless_ros.evaluation.over_ros import evaluate_over_ros
from lossless_ros.evaluation.replay import ReplayConfig, replay
from lossless_ros.evaluation.report import write_replay_report
from lossless_ros.evaluation.rollout import EvalConfig, describe_policy, evaluate
from lossless_ros.evaluation.verify import verify_on_recording
from lossless_ros.evaluation.video import EpisodeVideo, video_paths
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import Bundle, load_bundle, save_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.policy import load_policy
from lossless_ros.simulation.collect import CollectConfig, collect
from tests.support.bags import GRIPPERS, TWISTS

TASK = "rgb_stacking/triplet1"
STEPS = 5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    torch.manual_seed(0)
    contract, backbone = load_contract("rgb_stacking"), load_backbone("tf_efficientnet_lite0")
    config = NetworkConfig(("bottom", "middle", "top"), 4, 3, 64, 128, 2, (16,))
    network = Network(config, backbone, contract)
    path = tmp_path_factory.mktemp("bundle") / "policy.safetensors"
    description = Bundle(TASK, "adapters", contract, backbone.name, backbone.fingerprint, config, {"seed": 0})
    save_bundle(path, description, network.state_dict())
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    out = tmp_path_factory.mktemp("recording")
    collect(CollectConfig(TASK, out, 2, domain="nominal", expert="random", max_steps=STEPS))
    return out


def without_times(result):
    episodes = [{k: v for k, v in e.items() if k != "driver_ms"} for e in result["episodes"]]
    return {**result, "episodes": episodes}


def test_evaluation_has_the_documented_fields_and_repeats_itself(bundle):
    config = EvalConfig(bundle=bundle, domain="nominal", episodes=2, seed=7, max_steps=STEPS)
    first = evaluate(config)
    assert first["task"] == TASK and first["domain"] == "nominal"
    assert first["n"] == 2 and first["seeds"] == [7, 8]
    assert first["success_rate"] == first["successes"] / 2
    low, high = first["interval_95"]
    assert 0 <= low <= first["success_rate"] <= high <= 1
    assert [e["steps"] for e in first["episodes"]] == [STEPS, STEPS]
    assert list(first["phases"]) == list(STAGES) and max(first["phases"].values()) <= 2
    again = evaluate(dataclasses.replace(config, workers=2))
    assert without_times(again) == without_times(first)


def test_videos_of_chosen_episodes_show_cameras_action_and_stage(tmp_path):
    videos = video_paths(tmp_path, [1, 2])
    seeds = {"seed": 0, "episodes": 3}
    evaluate(EvalConfig(TASK, domain="nominal", expert="random", videos=videos, max_steps=STEPS, **seeds))
    import cv2

    assert sorted(p.name for p in tmp_path.iterdir()) == ["episode_000001.mp4", "episode_000002.mp4"]
    video = cv2.VideoCapture(str(videos[1]))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == STEPS and video.get(cv2.CAP_PROP_FPS) == 20
    there, picture = video.read()
    assert there and picture.shape[1] == 512
    assert picture[256:].std() > 10  # something is written below the cameras


def test_video_draws_the_action_on_its_side():
    video = EpisodeVideo(Path("none.mp4"), contract := load_contract("rgb_stacking"), 20)
    images = [np.zeros((128, 128, 3), np.uint8)] * 2
    right, left = (video.draw(images, np.float32([v, 0, 0, 0, 1]), "")[256:] for v in (0.07, -0.07))
    changed = np.argwhere((right != left).any(2))[:, 1]
    assert changed.min() < 384 < changed.max() and right.shape == left.shape
    assert contract.action.dim == 5 and right.shape[0] % 2 == 0


@pytest.mark.parametrize(
    ("videos", "line"),
    [
        ({9: "a.mp4"}, "no episode with seed 9 to film; seeds are 500000 to 500000"),
        ({500_000: "a.avi"}, "ends in .mp4"),
    ],
)
def test_video_that_cannot_be_written_is_refused_before_any_episode(tmp_path, videos, line):
    with pytest.raises(LosslessError, match=line):
        paths = {seed: tmp_path / name for seed, name in videos.items()}
        evaluate(EvalConfig(TASK, domain="nominal", episodes=1, expert="random", videos=paths))


def test_evaluated_episodes_are_recorded_as_bags(bundle, tmp_path):
    where = {"domain": "nominal", "episodes": 1, "seed": 3, "record": tmp_path / "bags"}
    document = evaluate(EvalConfig(bundle=bundle, max_steps=STEPS, **where))
    episode = read_episode(tmp_path / "bags" / "episode_000003", load_contract("rgb_stacking"))
    policy = load_policy(bundle, "cpu")
    np.testing.assert_allclose(episode.actions[:, :-1], [policy.act(f)[:-1] for f in episode.frames], atol=1e-5)
    assert episode.info["phase"] == document["episodes"][0]["phase"] and episode.info["task"] == TASK


def test_execution_is_evaluated_and_named(bundle, tmp_path):
    description, tensors = load_bundle(bundle)
    torch.manual_seed(1)
    last = {name: t for name, t in tensors.items() if name.startswith("head.3.")}
    assert {len(t) for t in last.values()} == {5}
    longer = {name: torch.cat([t, *(t + torch.randn_like(t) for _ in range(2))]) for name, t in last.items()}
    chunked = tmp_path / "chunked.safetensors"
    network = dataclasses.replace(description.network, chunk_size=3)
    save_bundle(chunked, dataclasses.replace(description, network=network), {**tensors, **longer})
    config = EvalConfig(bundle=chunked, domain="nominal", episodes=1, seed=3, max_steps=STEPS)
    assert describe_policy(config)["execution"] == "ensemble:-0.1"
    document = evaluate(dataclasses.replace(config, execution="open_loop:3", record=tmp_path))
    assert (document["execution"], document["bundle_execution"]) == ("open_loop:3", "ensemble:-0.1")
    episode = read_episode(tmp_path / "episode_000003", description.contract)
    own, other = (load_policy(chunked, "cpu", execution=execution) for execution in (None, "open_loop:3"))
    expected = np.stack([other.act(frame) for frame in episode.frames])[:, :-1]
    np.testing.assert_allclose(episode.actions[:, :-1], expected, atol=1e-5)
    assert not np.allclose([own.act(frame)[:-1] for frame in episode.frames], expected, atol=1e-3)
    with pytest.raises(LosslessError, match="execution is open_loop:4 with chunk_size 3"):
        evaluate(dataclasses.replace(config, execution="open_loop:4"))
    with pytest.raises(LosslessError, match="give it with --bundle, not with --expert"):
        evaluate(EvalConfig(TASK, domain="nominal", episodes=1, expert="random", execution="newest"))


def test_seeds_that_were_trained_on_are_counted_and_reported(bundle, tmp_path, capsys):
    description, tensors = load_bundle(bundle)
    trained = tmp_path / "trained.safetensors"
    provenance = {"data": {"seeds": {"nominal": [[3, 4], [8, 20]]}}}
    save_bundle(trained, dataclasses.replace(description, provenance=provenance), tensors)
    config = EvalConfig(bundle=trained, domain="nominal", episodes=6, seed=4)
    assert describe_policy(config)["trained_seeds"] == 3
    assert describe_policy(dataclasses.replace(config, domain="lab"))["trained_seeds"] == 0
    assert describe_policy(dataclasses.replace(config, task="rgb_stacking/triplet2"))["trained_seeds"] == 0
    assert describe_policy(dataclasses.replace(config, bundle=bundle))["trained_seeds"] is None
    assert describe_policy(dataclasses.replace(config, domain="cells/nominal.yaml"))["trained_seeds"] == 3
    expert = EvalConfig(TASK, domain="nominal", expert="random", episodes=6, seed=4)
    for refused in (
        lambda: evaluate(config),
        lambda: evaluate_over_ros(config),
        lambda: evaluate_baseline(str(trained), expert),
    ):
        with pytest.raises(LosslessError, match=r"trained on 3 of these 6 episodes \(seeds 4, 8, 9 in nominal\)"):
            refused()
    allowed = dataclasses.replace(config, episodes=1, max_steps=1, allow_training_seeds=True)
    document = evaluate(allowed)
    assert document["trained_seeds"] == 1 and document["allow_training_seeds"]
    (tmp_path / "earlier.json").write_text(json.dumps(document))
    assert evaluate_baseline(str(tmp_path / "earlier.json"), allowed) == document
    with pytest.raises(LosslessError, match="counts 1 episodes that its policy was trained on"):
        evaluate_baseline(str(tmp_path / "earlier.json"), dataclasses.replace(expert, episodes=1))
    with pytest.raises(LosslessError, match="cannot read .*none.json"):
        command.evaluate(
            trained,
            domain="nominal",
            episodes=6,
            seed=4,
            allow_training_seeds=True,
            against=str(tmp_path / "none.json"),
        )
    assert capsys.readouterr().err.count("3 of 6 episodes were trained on") == 1


def test_default_episodes_of_an_evaluation_are_none_that_collection_records_by_default(bundle, tmp_path):
    demonstrations = CollectConfig(TASK, tmp_path, episodes=10_000)
    assert demonstrations.seed + demonstrations.episodes < EvalConfig(bundle=bundle).seed
    for job, options in ((command.evaluate, EvalConfig), (collect_command, CollectConfig)):
        assert inspect.signature(job).parameters["seed"].default == options.__dataclass_fields__["seed"].default


def test_replay_counts_episodes_that_were_trained_on(bundle, recording, tmp_path):
    description, tensors = load_bundle(bundle)
    trained = tmp_path / "trained.safetensors"
    provenance = {"data": {"seeds": {"nominal": [[1, 1]]}}}
    save_bundle(trained, dataclasses.replace(description, provenance=provenance), tensors)
    assert replay(ReplayConfig(trained, (recording,), device="cpu"))["trained_episodes"] == 1
    assert replay(ReplayConfig(bundle, (recording,), device="cpu"))["trained_episodes"] is None


def test_unstable_episode_counts_as_failed_and_is_not_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    domain, bags = tmp_path / "explosive.yaml", tmp_path / "bags"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    result = evaluate(EvalConfig(TASK, domain=str(domain), episodes=2, expert="random", max_steps=6, record=bags))
    assert result["n"] == 2 and result["successes"] == 0
    assert all("went unstable at step" in episode["unstable"] for episode in result["episodes"])
    assert not list(bags.glob("*"))


def test_runtime_of_another_device_is_refused_before_any_episode(bundle):
    line = "evaluated on the CPU: runtime cuda_graph runs on cuda"
    with pytest.raises(LosslessError, match=line):
        evaluate(EvalConfig(TASK, domain="nominal", episodes=1, bundle=bundle, runtime="cuda_graph"))


def test_bundle_and_expert_together_are_refused(bundle):
    with pytest.raises(LosslessError, match="either --bundle FILE or --expert"):
        evaluate(EvalConfig(TASK, domain="nominal", episodes=1, bundle=bundle, expert="random"))


def test_replay_measures_every_axis_in_its_unit(bundle, recording, tmp_path):
    result = replay(ReplayConfig(bundle, (recording,), device="cpu"))
    assert result["n"] == 2 and result["frames"] == 2 * STEPS
    units = {axis: error["unit"] for axis, error in result["action_error"].items()}
    assert units == {"linear.x": "m/s", "linear.y": "m/s", "linear.z": "m/s", "angular.z": "rad/s"}
    example = {name: np.array(result["example"][name]) for name in ("recorded", "predicted")}
    assert example["recorded"].shape == example["predicted"].shape == (STEPS, 5)
    one = replay(ReplayConfig(bundle, (recording / "episode_000000",), device="cpu"))
    error = np.abs(example["predicted"] - example["recorded"])[:, 0].mean()
    assert one["action_error"]["linear.x"]["mae"] == pytest.approx(error)
    worse = [axis for axis, e in result["action_error"].items() if e["mae"] > e["mae_of_zero"]]
    assert worse == result["worse_than_zero"] == [a for a, e in result["action_error"].items() if e["worse_than_zero"]]
    page = tmp_path / "page.html"
    write_replay_report(page, result)
    text = page.read_text()
    assert text.count("policy is worse") == len(worse)
    assert text.count("<table>") == text.count('<div class="wide"><table>') == 2
    assert '<div class="wide"><svg' in text
    assert "<svg" in text and "episode_000001" in text
    assert 'src="http' not in text and 'href="http' not in text  # everything is in the page


def test_policy_that_repeats_the_recording_has_zero_error(bundle, recording, monkeypatch):
    """The metric itself."""
    from lossless_ros.models import policy

    episode = read_episode(recording / "episode_000000", load_contract("rgb_stacking"))
    answers = {frame.stamp: action for frame, action in zip(episode.frames, episode.actions, strict=True)}
    monkeypatch.setattr(policy.Policy, "act", lambda self, frame: answers.get(frame.stamp, np.zeros(5)))
    result = replay(ReplayConfig(bundle, (recording / "episode_000000",), device="cpu"))
    assert result["gripper_agreement"] == 1
    assert all(error["mae"] == error["rmse"] == 0 for error in result["action_error"].values())


def rewritten(source, path, topic_of):
    """Write a bag with its topics renamed; those for which there is no name are left out."""
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer

    from lossless_ros.episodes.sim_messages import TYPES

    with Reader(source) as reader, Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        names = {c.id: topic_of(c.topic) for c in reader.connections}
        kept = [c for c in reader.connections if names[c.id]]
        out = {c.id: writer.add_connection(names[c.id], c.msgtype, typestore=TYPES) for c in kept}
        for connection, time, data in reader.messages():
            if connection.id in out:
                writer.write(out[connection.id], time, data)
    return path


def test_recorded_dry_run_is_replayed_and_pictures_alone_are_verified(bundle, recording, tmp_path):
    dry = {TWISTS: "/arm/inference_node/would_send", GRIPPERS: "/arm/inference_node/would_send/gripper"}
    path = rewritten(recording / "episode_000000", tmp_path / "dry", lambda topic: dry.get(topic, topic))
    result = replay(ReplayConfig(bundle, (path,), device="cpu"))
    driven = replay(ReplayConfig(bundle, (recording / "episode_000000",), device="cpu"))
    assert result["frames"] == driven["frames"] and result["action_error"] == driven["action_error"]
    assert result["left_out_frames"] == {} and result["episodes"][0]["fault"] is None
    with pytest.raises(LosslessError, match="no topic /gripper_controller/commands, /servo_node/delta_twist_cmds"):
        read_episode(path, load_contract("rgb_stacking"))  # training does not learn from what was never sent
    seen = rewritten(path, tmp_path / "seen", lambda topic: None if "would_send" in topic else topic)
    assert verify_on_recording(bundle, seen)["images"]["kind"] == "given"
    with pytest.raises(LosslessError, match="no topic /gripper_controller/commands"):
        replay(ReplayConfig(bundle, (seen,), device="cpu"))


def test_recording_without_commands_is_refused(bundle, recording, tmp_path):
    from lossless_ros.episodes.writer import EpisodeWriter

    with EpisodeWriter(tmp_path / "silent", load_contract("rgb_stacking")) as writer:
        writer.close({})
    with pytest.raises(LosslessError, match="silent: no message on /basket_front_left/image_raw"):
        replay(ReplayConfig(bundle, (tmp_path / "silent",), device="cpu"))
    with pytest.raises(LosslessError, match="silent: no message on /basket_front_left/image_raw"):
        verify_on_recording(bundle, tmp_path / "silent")
    (tmp_path / "arm.yaml").write_text("/**: {ros__parameters: {hardware: {topics: {tcp_pose: /arm/tool}}}}")
    with pytest.raises(LosslessError, match="no topic /arm/tool; the bag has"):
        verify_on_recording(bundle, recording, robot=str(tmp_path / "arm.yaml"))
    with pytest.raises(LosslessError, match="bundle"):
        shutil.copy(bundle, tmp_path / "cut.safetensors")
        (tmp_path / "cut.safetensors").write_bytes(bundle.read_bytes()[:100])
        replay(ReplayConfig(tmp_path / "cut.safetensors", (recording,), device="cpu"))

"""A bundle in closed loop and against a recording, with the real simulator and the real backbone."""

import shutil

import numpy as np
import pytest
import torch

from lossless_ros.contract import load_contract
from lossless_ros.episodes.collect import collect
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.replay import replay
from lossless_ros.evaluation.report import write_replay_report
from lossless_ros.evaluation.rollout import evaluate
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import Bundle, save_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import NetworkConfig

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
    collect(TASK, 2, 0, "nominal", out, "random", max_steps=STEPS)
    return out


def without_times(result):
    episodes = [{k: v for k, v in e.items() if k != "driver_ms"} for e in result["episodes"]]
    return {**result, "episodes": episodes}


def test_evaluation_has_the_documented_fields_and_repeats_itself(bundle):
    first = evaluate(None, "nominal", 2, 7, bundle=bundle, workers=1, max_steps=STEPS)
    assert first["task"] == TASK and first["domain"] == "nominal"
    assert first["n"] == 2 and first["seeds"] == [7, 8]
    assert first["success_rate"] == first["successes"] / 2
    low, high = first["interval_95"]
    assert 0 <= low <= first["success_rate"] <= high <= 1
    assert [e["steps"] for e in first["episodes"]] == [STEPS, STEPS]
    again = evaluate(None, "nominal", 2, 7, bundle=bundle, workers=2, max_steps=STEPS)
    assert without_times(again) == without_times(first)


def test_an_experts_evaluation_makes_a_film_where_asked(tmp_path):
    film = tmp_path / "film.mp4"
    evaluate(TASK, "nominal", 1, 0, expert="random", video=film, max_steps=STEPS)
    import cv2

    video = cv2.VideoCapture(str(film))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == STEPS
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (256, 128)


def test_exactly_one_driver(bundle):
    with pytest.raises(LosslessError, match="either --bundle FILE or --expert"):
        evaluate(TASK, "nominal", 1, 0, bundle=bundle, expert="random")


def test_replay_measures_every_axis_in_its_unit(bundle, recording, tmp_path):
    result = replay(bundle, [recording], device="cpu")
    assert result["n"] == 2 and result["frames"] == 2 * STEPS
    units = {axis: error["unit"] for axis, error in result["action_error"].items()}
    assert units == {"linear.x": "m/s", "linear.y": "m/s", "linear.z": "m/s", "angular.z": "rad/s"}
    example = {name: np.array(result["example"][name]) for name in ("recorded", "predicted")}
    assert example["recorded"].shape == example["predicted"].shape == (STEPS, 5)
    one = replay(bundle, [recording / "episode_000000"], device="cpu")
    error = np.abs(example["predicted"] - example["recorded"])[:, 0].mean()
    assert one["action_error"]["linear.x"]["mae"] == pytest.approx(error)
    page = tmp_path / "page.html"
    write_replay_report(page, result)
    text = page.read_text()
    assert "<svg" in text and "episode_000001" in text
    assert 'src="http' not in text and 'href="http' not in text  # everything is in the page


def test_a_perfect_policy_has_no_error(bundle, recording, monkeypatch):
    """The measure itself: a policy that repeats the recording scores zero."""
    from lossless_ros.episodes.reader import read_episode
    from lossless_ros.models import policy

    episode = read_episode(recording / "episode_000000", load_contract("rgb_stacking"))
    answers = {frame.stamp: action for frame, action in zip(episode.frames, episode.actions, strict=True)}
    monkeypatch.setattr(policy.Policy, "act", lambda self, frame: answers.get(frame.stamp, np.zeros(5)))
    result = replay(bundle, [recording / "episode_000000"], device="cpu")
    assert result["gripper_agreement"] == 1
    assert all(error["mae"] == error["rmse"] == 0 for error in result["action_error"].values())


def test_a_recording_without_commands_is_refused(bundle, recording, tmp_path):
    from lossless_ros.episodes.writer import EpisodeWriter

    with EpisodeWriter(tmp_path / "silent", load_contract("rgb_stacking")) as writer:
        writer.close({})
    with pytest.raises(LosslessError, match="silent: no frame of contract 'rgb_stacking'"):
        replay(bundle, [tmp_path / "silent"], device="cpu")
    with pytest.raises(LosslessError, match="bundle"):
        shutil.copy(bundle, tmp_path / "cut.safetensors")
        (tmp_path / "cut.safetensors").write_bytes(bundle.read_bytes()[:100])
        replay(tmp_path / "cut.safetensors", [recording], device="cpu")

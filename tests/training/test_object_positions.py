"""The auxiliary loss on object positions: it trains, its errors are millimeters, and no bundle has any of it."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossless_ros.contract import JOINT_STATES
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.object_positions import position_errors_mm, position_loss
from tests.support.recordings import record_episode


def test_loss_ignores_frames_without_positions():
    targets = torch.rand(4, 3, 3)
    predicted = targets + 0.5
    predicted[1] += 100
    targets[1, 2, 0] = torch.nan
    assert position_loss(predicted, targets, 3).item() == pytest.approx(0.25)
    nothing = position_loss(predicted.requires_grad_(), torch.full((4, 3, 3), torch.nan), 0)
    nothing.backward()
    assert nothing.item() == 0 and not predicted.grad.any()


def test_errors_are_medians_in_millimeters():
    targets = torch.zeros(3, 3, 3)
    predicted = torch.zeros(3, 3, 3)
    predicted[0, 0] = torch.tensor([0.3, 0.4, 0.0])
    predicted[1, 0] = torch.tensor([3.0, 4.0, 0.0])
    predicted[:, 2, 1] = 0.1
    targets[2, 1, 1] = torch.nan  # leaves two frames, of which the median takes the smaller value
    assert position_errors_mm(predicted, targets) == pytest.approx({"red": 50.0, "green": 0.0, "blue": 10.0})
    assert position_errors_mm(predicted, torch.full((3, 3, 3), torch.nan)) is None


def test_positions_are_learned_from_the_images_and_validated(job, hyperparameters):
    changes = {"top": "keypoints", "object_position_weight": 1.0, "ema_decay": 0.9, "learning_rate": 0.003}
    quick = replace(hyperparameters, steps=120, batch_size=12, random_shift=0.0, num_cached_views=1, **changes)
    result = train(replace(job, hyperparameters=quick))
    first, last = result["curve"][0]["object_error_mm"], result["curve"][-1]["object_error_mm"]
    assert set(last) == set(OBJECTS)
    assert all(last[name] < 0.5 * first[name] for name in OBJECTS)
    assert result["data"]["episodes_with_object_poses"] == 2
    assert read_bundle(job.out).provenance["metrics"]["object_error_mm"] == last


def test_bundle_has_nothing_of_it(job, hyperparameters, episodes, contract, tmp_path):
    with_positions, without = tmp_path / "with.safetensors", tmp_path / "without.safetensors"
    quick = replace(hyperparameters, object_position_weight=1.0)
    result = train(replace(job, out=with_positions, hyperparameters=quick))
    plain = train(replace(job, out=without))
    assert result["parameters"] == plain["parameters"]
    shapes = [{n: t.shape for n, t in load_bundle(path)[1].items()} for path in (with_positions, without)]
    assert shapes[0] == shapes[1]
    frame = read_episode(episodes / "episode_0", contract).frames[0]
    assert np.isfinite(load_policy(with_positions, "cpu").act(frame)).all()


def test_interrupted_run_goes_on_as_if_nothing_happened(job, hyperparameters, tmp_path):
    job = replace(job, mode="adapters", hyperparameters=replace(hyperparameters, object_position_weight=1.0))
    expected = train(job)["bundle_hash"]

    def stop(done, total, note):
        if "step 4" in note:
            raise KeyboardInterrupt

    again = replace(job, out=tmp_path / "again.safetensors")
    with pytest.raises(KeyboardInterrupt):
        train(again, stop)
    assert train(replace(again, resume=True))["bundle_hash"] == expected


def test_recordings_without_poses_train_as_without_the_setting(job, hyperparameters, contract, tmp_path, capsys):
    for seed in range(2):
        record_episode(tmp_path / "robot" / f"episode_{seed}", contract, seed)
    job = replace(job, data=tmp_path / "robot")
    expected = train(job)["bundle_hash"]
    capsys.readouterr()
    quick = replace(hyperparameters, object_position_weight=1.0)
    result = train(replace(job, out=tmp_path / "other.safetensors", hyperparameters=quick))
    assert "no object poses, so object_position_weight has no effect" in capsys.readouterr().err
    tensors = [load_bundle(path)[1] for path in (job.out, tmp_path / "other.safetensors")]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert expected and result["curve"][-1]["object_error_mm"] is None


def test_contract_without_the_tool_pose_is_one_line(job, hyperparameters, contract):
    joints_only = tuple(part for part in contract.proprioception if part.stream == JOINT_STATES)
    blind = dataclasses.replace(contract, proprioception=joints_only)
    quick = replace(hyperparameters, object_position_weight=1.0)
    with pytest.raises(LosslessError, match="object_position_weight needs tcp_pose in the proprioception"):
        train(replace(job, contract=blind, hyperparameters=quick))

"""The auxiliary loss on object poses: it trains, its errors are millimeters, and no bundle has any of it."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossless_ros.contract import JOINT_STATES
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.object_targets import ObjectTargets, mean_squared_error, position_errors_mm
from tests.support.recordings import record_episode


def test_loss_ignores_frames_without_poses():
    targets = torch.rand(4, 3, 3)
    predicted = targets + 0.5
    predicted[1] += 100
    targets[1, 2, 0] = torch.nan
    assert mean_squared_error(predicted, targets, 3).item() == pytest.approx(0.25)
    nothing = mean_squared_error(predicted.requires_grad_(), torch.full((4, 3, 3), torch.nan), 0)
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


def targets_of(dataset: Dataset, contract, hyperparameters, **weights: float) -> ObjectTargets:
    return ObjectTargets(contract, TrainingData(dataset, dataset), replace(hyperparameters, **weights))


def test_widths_are_standardized_and_unknown_without_poses_or_objects(tmp_path, contract, hyperparameters):
    for seed in range(3):
        task = "rgb_stacking/train" if seed == 2 else "rgb_stacking/triplet1"  # its objects differ by episode
        record_episode(tmp_path / f"{seed}", contract, seed, object_poses=seed > 0, task=task)
    episodes = decode_episodes([tmp_path / "1", tmp_path / "0", tmp_path / "2"], contract)
    steps = len(episodes[0])
    targets = targets_of(Dataset(episodes), contract, hyperparameters, object_width_weight=1.0)
    dataset = targets._widths._datasets[0]
    found = targets.of(dataset, np.arange(len(dataset)))
    assert found.shape == (3 * steps, 3, 3 + targets.num_widths) and found.dtype == np.float32
    np.testing.assert_allclose(found[:steps, :, 3:].mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found[:steps, :2, 3:].std((0, 2)), 1, atol=1e-5)
    assert found[:steps, 2, 3:].std() < 1  # hardly varies: b2 is nearly as wide in all directions
    assert np.isnan(found[steps:, :, 3:]).all()
    assert np.isfinite(found[2 * steps :, :, :3]).all()  # positions do not need shapes


def test_without_its_weight_there_are_no_widths(episodes, contract, hyperparameters):
    dataset = Dataset(decode_episodes([episodes / "episode_1"], contract))
    targets = targets_of(dataset, contract, hyperparameters, object_position_weight=1.0)
    assert targets.num_widths == 0
    assert targets.of(dataset, np.arange(5)).shape == (5, 3, 3)


def test_loss_is_the_weighted_sum_of_positions_and_widths(episodes, contract, hyperparameters):
    dataset = Dataset(decode_episodes([episodes / "episode_1"], contract))
    weights = {"object_position_weight": 2.0, "object_width_weight": 3.0}
    targets = targets_of(dataset, contract, hyperparameters, **weights)
    truth = torch.from_numpy(targets.of(dataset, np.arange(6)))
    predicted = truth.clone()
    predicted[..., :3] += 0.5
    predicted[..., 3:] += 0.1
    half = np.array([0, 2, 4])  # as in the first of two processes
    expected = 2 * 0.25 + 3 * 0.01 * (1 + 0.3)  # in the world's frame, and in the gripper's
    assert targets.loss(predicted, truth, np.arange(6), 1).item() == pytest.approx(expected)
    assert targets.loss(predicted[half], truth, half, 2).item() == pytest.approx(expected)
    unknown = torch.full_like(truth, torch.nan)
    assert targets.loss(predicted, unknown, np.arange(6), 1).item() == 0


def test_positions_and_widths_are_learned_from_the_images_and_validated(job, hyperparameters):
    changes = {"top": "keypoints", "object_position_weight": 1.0, "object_width_weight": 1.0, "ema_decay": 0.9}
    changes |= {"steps": 120, "batch_size": 12, "random_shift": 0.0, "num_cached_views": 1, "learning_rate": 0.003}
    result = train(replace(job, hyperparameters=replace(hyperparameters, **changes)))
    turning = ("red", "green")  # blue is nearly as wide in all directions
    for errors, names in (("object_error_mm", OBJECTS), ("object_width_error_mm", turning)):
        first, last = result["curve"][0][errors], result["curve"][-1][errors]
        assert set(last) == set(OBJECTS)
        assert all(last[name] < 0.5 * first[name] for name in names)
        assert read_bundle(job.out).provenance["metrics"][errors] == last
    assert result["data"]["episodes_with_object_poses"] == 2


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_bundle_has_nothing_of_it(job, hyperparameters, episodes, contract, tmp_path, weights):
    with_poses, without = tmp_path / "with.safetensors", tmp_path / "without.safetensors"
    quick = replace(hyperparameters, object_position_weight=weights[0], object_width_weight=weights[1])
    result = train(replace(job, out=with_poses, hyperparameters=quick))
    plain = train(replace(job, out=without))
    assert result["parameters"] == plain["parameters"]
    shapes = [{n: t.shape for n, t in load_bundle(path)[1].items()} for path in (with_poses, without)]
    assert shapes[0] == shapes[1]
    frame = read_episode(episodes / "episode_0", contract).frames[0]
    assert np.isfinite(load_policy(with_poses, "cpu").act(frame)).all()


def test_interrupted_run_goes_on_as_if_nothing_happened(job, hyperparameters, tmp_path):
    changed = replace(hyperparameters, object_position_weight=1.0, object_width_weight=1.0)
    job = replace(job, mode="adapters", hyperparameters=changed)
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
    assert (
        "no object poses, so object_position_weight and object_width_weight have no effect" in capsys.readouterr().err
    )
    tensors = [load_bundle(path)[1] for path in (job.out, tmp_path / "other.safetensors")]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert expected and result["curve"][-1]["object_error_mm"] is None


def test_contract_without_the_tool_pose_is_one_line(job, hyperparameters, contract):
    joints_only = tuple(part for part in contract.proprioception if part.stream == JOINT_STATES)
    blind = dataclasses.replace(contract, proprioception=joints_only)
    quick = replace(hyperparameters, object_position_weight=1.0)
    with pytest.raises(
        LosslessError, match="object_position_weight and object_width_weight need tcp_pose in the proprioception"
    ):
        train(replace(job, contract=blind, hyperparameters=quick))

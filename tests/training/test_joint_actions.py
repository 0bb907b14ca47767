"""Policies that command joints and no gripper: trained, described and run like those of a tool."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lossless_ros.cli.descriptions import describe
from lossless_ros.episodes.reader import read_episode
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.hyperparameters import Hyperparameters
from lossless_ros.training.train_config import kept_bundle
from tests.support import joints


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("joints")
    for seed in range(4):
        joints.record_joints(folder / f"episode_{seed}", seed)
    return folder


@pytest.mark.parametrize(("num_modes", "chunk_size"), [(0, 1), (2, 3)])
def test_policy_is_trained_and_acts_within_the_limits_of_the_joints(
    episodes: Path, hyperparameters: Hyperparameters, tmp_path: Path, num_modes: int, chunk_size: int
) -> None:
    changes = {"num_validations": 2, "num_modes": num_modes, "chunk_size": chunk_size, "noop_threshold": 0.01}
    settings = dataclasses.replace(hyperparameters, **changes)
    job = TrainConfig(
        data=episodes,
        out=tmp_path / "b.safetensors",
        backbone="tf_efficientnet_lite0",
        mode="top",
        hyperparameters=settings,
        contract=joints.CONTRACT,
        keep_checkpoints=1,
    )
    result = train(job)
    assert json.loads(json.dumps(result)) == result
    assert result["task"] == "two_joints/reach" and list(result["mae"]) == list(joints.NAMES)
    assert "gripper_agreement" not in result and all("gripper_agreement" not in point for point in result["curve"])
    kept = kept_bundle(job.out, result["curve"][-2]["step"])
    assert "gripper_agreement" not in read_bundle(kept).provenance["metrics"]
    described = describe(str(job.out))
    assert "elbow [rad/s]" in described["training actions"] and "gripper" not in described["training actions"]
    policy = load_policy(job.out)
    assert policy.contract == joints.CONTRACT
    frames = read_episode(episodes / "episode_0", joints.CONTRACT).frames
    actions = np.array([policy.act(frame) for frame in frames])
    assert actions.shape == (20, 2) and (np.abs(actions) <= joints.LIMITS * (1 + 1e-6)).all()
    assert actions.std(0).min() > 0

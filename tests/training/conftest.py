"""Fixtures of a quick training run on small synthetic episodes."""

import dataclasses
from pathlib import Path

import pytest
import torch

from lossless_ros.contract import Camera, Contract, load_contract
from lossless_ros.training.behavior_cloning import TrainConfig
from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters
from tests.support.recordings import IMAGE_SIZE, record_episode

torch.set_num_threads(1)  # the tensors are small: threads would only wait for each other


@pytest.fixture(scope="session")
def contract() -> Contract:
    full = load_contract("rgb_stacking")
    return dataclasses.replace(full, cameras=tuple(Camera(c.name, IMAGE_SIZE, IMAGE_SIZE) for c in full.cameras))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Tests neither use nor fill the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def episodes(tmp_path_factory, contract) -> Path:
    """Episodes with object poses, but for the first one."""
    folder = tmp_path_factory.mktemp("episodes")
    for seed in range(4):
        record_episode(folder / f"episode_{seed}", contract, seed, object_poses=seed > 0)
    return folder


@pytest.fixture(scope="session")
def hyperparameters() -> Hyperparameters:
    """A quick run on small images."""
    return dataclasses.replace(
        load_hyperparameters("default"),
        steps=6,
        batch_size=4,
        warmup_steps=2,
        num_validations=3,
        val_frames=8,
        image_size=IMAGE_SIZE,
        num_cached_views=2,
        top_grid=2,
        top_size=256,
        hidden_dims=(32,),
        device="cpu",
        held_out=0.25,
    )


@pytest.fixture
def job(episodes, contract, hyperparameters, tmp_path) -> TrainConfig:
    """A training of mode top on the synthetic episodes."""
    return TrainConfig(
        data=episodes,
        out=tmp_path / "b.safetensors",
        backbone="tf_efficientnet_lite0",
        mode="top",
        hyperparameters=hyperparameters,
        contract=contract,
    )

"""Small synthetic episodes: the arm moves towards a bright square, and closes the gripper when it is on the right."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lossless_ros.contract import Camera, Contract, load_contract
from lossless_ros.episodes.sim_messages import JOINT_NAMES, observation_messages
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters

torch.set_num_threads(1)  # small tensors: threads would only wait for each other
SIDE = 48
STEPS = 20


@pytest.fixture(scope="session")
def contract() -> Contract:
    full = load_contract("rgb_stacking")
    return dataclasses.replace(full, cameras=tuple(Camera(c.name, SIDE, SIDE) for c in full.cameras))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Tests neither use nor fill the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def record(
    path: Path, contract: Contract, seed: int, pause_after: int = STEPS, encoding: str = "rgb8", **info: object
) -> Path:
    """An episode; after `pause_after` steps nothing comes for a second, and images say they are in `encoding`."""
    rng = np.random.default_rng(seed)
    assert len(JOINT_NAMES) == 8
    with EpisodeWriter(path, contract) as writer:
        for step in range(STEPS):
            row, col = rng.integers(0, SIDE - 16, 2)
            picture = rng.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
            picture[row : row + 16, col : col + 16] = 250
            joints = {f"joint_{k}": rng.normal(size=7) for k in ("position", "velocity", "effort")}
            gripper = {f"gripper_{k}": rng.random(1) for k in ("position", "velocity", "effort")}
            pose = np.array([0.6, 0.0, 0.2, 1.0, 0, 0, 0])
            seen = {c.name: picture for c in contract.cameras} | joints | gripper | {"tcp_pose": pose}
            there = np.array([row, col]) / (SIDE - 16) * 2 - 1
            action = np.float32([*(0.07 * there), 0.01, 0.0, 1 if there[1] > 0 else -1])
            stamp = 1_000_000_000 * (1 + (step >= pause_after)) + step * contract.period_ns
            messages = observation_messages(contract, stamp, seen)
            for camera in contract.cameras:
                messages[camera.topic].encoding = encoding
            writer._write(stamp, messages)
            writer.act(stamp, action)
        return writer.close({"seed": seed, "success": True, "task": "rgb_stacking/triplet1", **info})


@pytest.fixture(scope="session")
def episodes(tmp_path_factory, contract) -> Path:
    folder = tmp_path_factory.mktemp("episodes")
    for seed in range(4):
        record(folder / f"episode_{seed}", contract, seed)
    return folder


@pytest.fixture
def config() -> Hyperparameters:
    """A quick run on small images."""
    return dataclasses.replace(
        load_hyperparameters("default"),
        **{"steps": 6, "batch_size": 4, "warmup_steps": 2, "num_validations": 3, "val_frames": 8, "image_size": SIDE},
        **{
            "num_cached_views": 2,
            "top_grid": 2,
            "top_size": 256,
            "hidden_dims": (32,),
            "device": "cpu",
            "held_out": 0.25,
        },
    )

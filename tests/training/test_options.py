"""Options of the recipe, each trained a little."""

import dataclasses

import numpy as np
import pytest
import torch

from lossless_ros.episodes.reader import read_episode
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import load_bundle
from lossless_ros.models.network import Network
from lossless_ros.models.policy import load_policy
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.hyperparameters import network_config

LITE0 = "tf_efficientnet_lite0"


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 4},
        {"num_modes": 3},
        {"ema_decay": 0.9},
        {"amp": True},
        {"gradient_checkpointing": True},
        {"noop_threshold": 0.3},
    ],
)
def test_every_option_learns_and_its_bundle_acts(episodes, contract, config, tmp_path, options):
    config = dataclasses.replace(
        config, steps=60, batch_size=12, random_shift=0.0, color_jitter=0.0, num_cached_views=1, **options
    )
    out = tmp_path / "b.safetensors"
    result = train([episodes], LITE0, "top", out, config, contract)
    first, last = result["curve"][0], result["curve"][-1]
    assert last["train_loss"] < first["held_out_loss"] - 0.05
    policy = load_policy(out, "cpu")
    assert policy.bundle.network.chunk_size == config.chunk_size and policy.bundle.network.num_modes == config.num_modes
    frames = read_episode(episodes / "episode_0", contract).frames
    actions = np.stack([policy.act(frame) for frame in frames])
    again = np.stack([load_policy(out, "cpu").act(frames[0]), policy.act(frames[0])])
    assert np.isfinite(actions).all() and (np.abs(actions) <= np.float32(contract.action.limits)).all()
    np.testing.assert_array_equal(again, [actions[0]] * 2)  # a stamp that goes back begins anew
    by_itself = policy.act_batch(frames)
    assert np.allclose(by_itself, actions, atol=1e-5) == (config.chunk_size == 1)


def test_bundle_gets_the_running_mean_of_the_weights(episodes, contract, config, tmp_path):
    heads = []
    for ema in (0.0, 0.5, 0.99):
        out = tmp_path / f"{ema}.safetensors"
        train([episodes], LITE0, "frozen", out, dataclasses.replace(config, ema_decay=ema), contract)
        heads.append(load_bundle(out)[1]["head.0.weight"])
    near, far = ((head - heads[0]).abs().mean() for head in heads[1:])
    assert 0 < near < far


class Killed(Exception):
    pass


def test_resumed_mean_is_the_uninterrupted_one(episodes, contract, config, tmp_path):
    config = dataclasses.replace(config, ema_decay=0.8)
    whole = train([episodes], LITE0, "frozen", tmp_path / "whole.safetensors", config, contract)
    out = tmp_path / "killed.safetensors"

    def kill(percent: int, total: int, note: str) -> None:
        if note.startswith("step 5,"):
            raise Killed

    with pytest.raises(Killed):
        train([episodes], LITE0, "frozen", out, config, contract, on_progress=kill)
    assert checkpoint_path(out).is_file()
    assert train([episodes], LITE0, "frozen", out, config, contract, resume=True)["bundle_hash"] == whole["bundle_hash"]


@pytest.mark.parametrize("mode", ["adapters", "full"])
def test_recomputed_activations_give_the_same_gradient(contract, config, mode):
    backbone = load_backbone(LITE0)
    torch.manual_seed(0)
    network = Network(network_config(config, mode, backbone), backbone, contract).train()
    images, felt = torch.rand(4, 3, 48, 48), torch.rand(2, contract.proprioception_dim)
    gradients = []
    for network.gradient_checkpointing in (False, True):
        network.zero_grad()
        network(backbone, images, felt).square().sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)

"""Optional parts of a recipe, each trained a little."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lossless_ros.episodes.reader import read_episode
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import DTYPES, load_bundle, round_to_dtype
from lossless_ros.models.network import Network
from lossless_ros.models.network_config import TOPS
from lossless_ros.models.policy import load_policy
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.hyperparameters import network_config
from lossless_ros.training.train_config import kept_bundle
from tests.support.interruption import train_until
from tests.support.recordings import IMAGE_SIZE


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 4},
        {"num_modes": 3},
        {"ema_decay": 0.9},
        {"amp": True},
        {"gradient_checkpointing": True},
        {"noop_threshold": 0.3},
        {"top": "keypoints", "num_keypoints": 8, "keypoint_channels": 12},
        {"top": "keypoints", "amp": True},
        {"top": "keypoints", "backbone_runtime": "auto"},
        {"head_norm": "batch", "activation": "tanh", "lr_schedule": "constant", "grad_clip_norm": None},
        {"head_norm": "batch", "ema_decay": 0.9},
    ],
)
def test_every_option_learns_and_its_bundle_acts(job, episodes, contract, hyperparameters, options):
    quick = {"steps": 60, "batch_size": 12, "random_shift": 0.0, "color_jitter": 0.0, "num_cached_views": 1}
    hyperparameters = replace(hyperparameters, **quick, **options)
    result = train(replace(job, hyperparameters=hyperparameters))
    first, last = result["curve"][0], result["curve"][-1]
    assert last["train_loss"] < first["held_out_loss"] - 0.05
    policy = load_policy(job.out, "cpu")
    assert policy.bundle.network.chunk_size == hyperparameters.chunk_size
    assert policy.bundle.network.num_modes == hyperparameters.num_modes
    frames = read_episode(episodes / "episode_0", contract).frames
    actions = np.stack([policy.act(frame) for frame in frames])
    again = np.stack([load_policy(job.out, "cpu").act(frames[0]), policy.act(frames[0])])
    assert np.isfinite(actions).all()
    assert (np.abs(actions) <= np.float32(contract.action.limits)).all()
    np.testing.assert_array_equal(again, [actions[0]] * 2)  # a stamp that goes back resets the ensemble
    one_by_one = policy.act_batch(frames)
    assert np.allclose(one_by_one, actions, atol=1e-5) == (hyperparameters.chunk_size == 1)


def test_bundle_gets_the_moving_average_of_the_weights(job, hyperparameters, tmp_path):
    heads = []
    for ema_decay in (0.0, 0.5, 0.99):
        out = tmp_path / f"{ema_decay}.safetensors"
        averaged = replace(hyperparameters, ema_decay=ema_decay)
        train(replace(job, mode="frozen", out=out, hyperparameters=averaged))
        heads.append(load_bundle(out)[1]["head.0.weight"])
    short, long = ((head - heads[0]).abs().mean() for head in heads[1:])
    assert 0 < short < long


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_bundle_in_half_precision_is_the_rounded_one_and_so_are_its_metrics(job, hyperparameters, tmp_path, ema_decay):
    results, tensors = {}, {}
    for dtype in DTYPES:
        out = tmp_path / f"{dtype}.safetensors"
        stored = replace(hyperparameters, bundle_dtype=dtype, ema_decay=ema_decay, execution="newest")
        results[dtype] = train(replace(job, mode="frozen", out=out, hyperparameters=stored))
        bundle, tensors[dtype] = load_bundle(out)
        assert bundle.dtype == dtype
        assert str(bundle.execution) == "newest"
        assert bundle.provenance["metrics"]["held_out_loss"] == results[dtype]["held_out_loss"]
    full, half = (results[dtype]["curve"] for dtype in DTYPES)
    assert [point["step"] for point in half] == [point["step"] for point in full]
    assert half[-1]["train_loss"] == full[-1]["train_loss"]
    assert half[-1]["held_out_loss"] != full[-1]["held_out_loss"]
    assert half[-1]["held_out_loss"] == pytest.approx(full[-1]["held_out_loss"], rel=1e-2)
    round_to_dtype(tensors["float32"], "float16")
    assert all(torch.equal(tensors["float16"][name], tensor) for name, tensor in tensors["float32"].items())


def test_resumed_moving_average_is_that_of_an_uninterrupted_run(job, hyperparameters, tmp_path):
    job = replace(job, mode="frozen", hyperparameters=replace(hyperparameters, ema_decay=0.8))
    whole = train(job)["bundle_hash"]
    killed = replace(job, out=tmp_path / "killed.safetensors")
    train_until(5, killed)
    assert checkpoint_path(killed.out).is_file()
    assert train(replace(killed, resume=True))["bundle_hash"] == whole


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("mode", ["adapters", "full"])
def test_recomputed_activations_give_the_same_gradient(contract, hyperparameters, mode, top):
    hyperparameters = replace(hyperparameters, top=top)
    backbone = load_backbone("tf_efficientnet_lite0")
    torch.manual_seed(0)
    network = Network(network_config(hyperparameters, mode, backbone), backbone, contract).train()
    images, proprio = torch.rand(4, 3, IMAGE_SIZE, IMAGE_SIZE), torch.rand(2, contract.proprioception_dim)
    gradients = []
    for network.gradient_checkpointing in (False, True):
        network.zero_grad()
        network(backbone, images, proprio).square().sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert (len(gradients[0]) < len(list(network.parameters()))) == (mode == "full" and top == "keypoints")
    for stored, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, stored)


@pytest.mark.parametrize("top", ["keypoints", "grid"])
def test_openvino_trains_the_same_policy_as_torch(job, hyperparameters, tmp_path, top):
    pytest.importorskip("openvino")
    losses = {}
    for runtime in ("torch", "openvino"):
        config = replace(hyperparameters, steps=8, top=top, cache_features=False, backbone_runtime=runtime)
        result = train(replace(job, mode="top", out=tmp_path / f"{runtime}.safetensors", hyperparameters=config))
        losses[runtime] = [result["train_loss"], result["held_out_loss"]]
    assert losses["openvino"] == pytest.approx(losses["torch"], rel=1e-3)


def test_batch_norm_statistics_are_of_the_policy(job, hyperparameters):
    settings = replace(hyperparameters, head_norm="batch", bundle_dtype="float16")
    train(replace(job, mode="adapters", hyperparameters=settings))
    _, tensors = load_bundle(job.out)
    assert (tensors["input_norm.running_var"] != 1).any() and "input_norm.num_batches_tracked" not in tensors
    policy = load_policy(job.out, "cpu")
    assert not policy.network.input_norm.training
    torch.testing.assert_close(policy.network.input_norm.running_mean, tensors["input_norm.running_mean"])
    assert verify(job.out)["ok"]


def test_batch_norm_needs_batches(hyperparameters):
    with pytest.raises(ValueError, match="batch_size is 1, expected at least 2 with head_norm: batch"):
        replace(hyperparameters, head_norm="batch", batch_size=1)


def test_last_checkpoints_are_kept_as_bundles(job, hyperparameters):
    steps = [point["step"] for point in train(replace(job, keep_checkpoints=1))["curve"]]
    assert steps == [0, 2, 4, 6]
    kept = kept_bundle(job.out, 4)
    assert sorted(job.out.parent.glob("*_step*")) == [kept]
    assert load_policy(kept, "cpu").bundle.provenance["steps"] == 4
    before = load_bundle(kept)[1]
    for path in (kept, job.out):
        path.unlink()
    train_until(5, replace(job, keep_checkpoints=1))
    train(replace(job, keep_checkpoints=1, resume=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in load_bundle(kept)[1].items())

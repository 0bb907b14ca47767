"""A policy: deterministic actions within limits, from every camera and joint, on the right backbone only."""

import dataclasses

import numpy as np
import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models import policy as policy_module
from lossless_ros.models.backbones import Backbone, load_timm_model
from lossless_ros.models.bundle import load_bundle, save_bundle
from lossless_ros.models.device import find_device
from lossless_ros.models.network import MIN_STD, Network, to_action
from lossless_ros.models.policy import load_policy
from lossless_ros.models.preprocess import normalize, to_batch
from tests.support.policies import write_bundle


def test_actions_are_deterministic_and_within_limits(bundle_path, lite0, frames, contract):
    policy = load_policy(bundle_path, "cpu", lite0)
    policy.warm_up(1)
    actions = [policy.act(f) for f in frames]
    again = [load_policy(bundle_path, "cpu", lite0).act(f) for f in frames]
    assert np.array_equal(actions, again)
    assert actions[0].shape == (contract.action.dim,)
    assert actions[0].dtype == np.float32
    assert (np.abs(actions) <= np.float32(contract.action.limits)).all()


def test_batch_agrees_with_single_frames(bundle_path, lite0, frames):
    policy = load_policy(bundle_path, "cpu", lite0)
    single = np.stack([policy.act(f) for f in frames])
    np.testing.assert_allclose(policy.act_batch(frames), single, atol=1e-5)


def test_action_depends_on_each_camera_and_on_proprioception(bundle_path, lite0, frames):
    policy = load_policy(bundle_path, "cpu", lite0)
    frame, other = frames[:2]
    changed = [
        dataclasses.replace(frame, images=(other.images[0], frame.images[1])),
        dataclasses.replace(frame, images=(frame.images[0], other.images[1])),
        dataclasses.replace(frame, proprioception=other.proprioception),
    ]
    assert all(not np.array_equal(policy.act(c), policy.act(frame)) for c in changed)


def test_reset_starts_a_new_episode_of_a_chunked_policy(tmp_path, lite0, contract, config, frames):
    path = tmp_path / "chunked.safetensors"
    write_bundle(path, lite0, contract, dataclasses.replace(config, chunk_size=3))
    policy = load_policy(path, "cpu", lite0)
    first = policy.act(frames[1])
    policy.reset()
    policy.act(frames[0])
    ensembled = policy.act(frames[1])
    policy.reset()
    assert np.array_equal(policy.act(frames[1]), first)
    assert not np.array_equal(ensembled, first)


def test_policy_of_half_precision_acts_like_the_full_one_within_rounding(bundle_path, tmp_path, lite0, frames):
    bundle, tensors = load_bundle(bundle_path)
    half = tmp_path / "half.safetensors"
    save_bundle(half, dataclasses.replace(bundle, dtype="float16"), tensors)
    full, rounded = (load_policy(path, "cpu", lite0) for path in (bundle_path, half))
    expected, actions = (policy.network.per_step(policy._outputs(frames, policy._run)) for policy in (full, rounded))
    assert {p.dtype for p in rounded.network.parameters()} == {torch.float32}
    assert not torch.equal(actions, expected)
    torch.testing.assert_close(actions, expected, rtol=0, atol=0.005)  # outputs in which velocity limits are 1


def test_weights_hub_permission_and_recorded_source_reach_the_backbone(bundle_path, lite0, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(policy_module, "load_backbone", lambda *args: calls.append(args) or lite0)
    load_policy(bundle_path, "cpu", weights=tmp_path / "w.safetensors", allow_hub=True)
    load_policy(bundle_path, "cpu")
    assert calls == [
        (lite0.name, tmp_path / "w.safetensors", True, lite0.source),
        (lite0.name, None, False, lite0.source),
    ]


def test_bundle_for_another_backbone_is_refused(bundle_path, lite0):
    other = Backbone(lite0.name, lite0.family, load_timm_model(lite0.name, lite0.source), lite0.source)
    other.model.conv_stem.weight[0, 0, 0, 0] += 1
    with pytest.raises(LosslessError, match="was trained on tf_efficientnet_lite0 .* not on tf_efficientnet_lite0"):
        load_policy(bundle_path, "cpu", other)


def test_tensor_of_wrong_shape_or_name_is_named(bundle_path, lite0):
    bundle, tensors = load_bundle(bundle_path)
    save_bundle(bundle_path, bundle, {**tensors, "mean": torch.zeros(3)})
    with pytest.raises(LosslessError, match=r"tensor mean is \(3,\), expected \(17,\)"):
        load_policy(bundle_path, "cpu", lite0)
    save_bundle(bundle_path, bundle, {**tensors, "extra": torch.zeros(3)})
    with pytest.raises(LosslessError, match=r"tensor extra is \(3,\), expected none"):
        load_policy(bundle_path, "cpu", lite0)


def test_unknown_device_is_a_one_line_error():
    with pytest.raises(LosslessError, match="no device 'warp' here; there is cpu"):
        find_device("warp")


def test_statistics_come_from_data_and_the_standard_deviation_has_a_minimum(lite0, contract, config):
    network = Network(config, lite0, contract)
    rng = np.random.default_rng(0)
    proprioception = rng.normal(3, 2, (500, contract.proprioception_dim)).astype(np.float32)
    proprioception[:, 0] = 1.5
    network.fit_statistics(proprioception)
    np.testing.assert_allclose(network.mean, proprioception.mean(0), rtol=1e-5)
    assert network.std[0] == pytest.approx(MIN_STD)
    assert network.std[1] == pytest.approx(proprioception[:, 1].std(), rel=1e-5)


def test_normalized_action_becomes_clipped_velocities_and_a_gripper_between_its_ends(contract):
    normalized = torch.tensor([[0.5, -2.0, 0.0, 1.0, 30.0], [0, 0, 0, 0, -0.1]])
    action = to_action(normalized, contract)
    assert action[0].tolist() == pytest.approx([0.035, -0.07, 0, 1, 1])
    assert -1 < action[1, -1] < 0


def test_images_are_resized_and_normalized_as_in_the_backbones_training(lite0):
    image = np.full((1, 96, 96, 3), 255, np.uint8)
    batch = to_batch([image, image], 128, lite0.preprocessing, "cpu")
    assert batch.shape == (2, 3, 128, 128)
    assert normalize(batch, lite0.preprocessing).min() == pytest.approx(1)  # (1 - 0.5) / 0.5

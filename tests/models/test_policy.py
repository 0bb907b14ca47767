import dataclasses

import numpy as np
import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone, load_plain
from lossless_ros.models.bundle import load_bundle, save_bundle
from lossless_ros.models.network import MIN_STD, Network, to_action
from lossless_ros.models.policy import find_device, load_policy
from lossless_ros.models.preprocess import normalize, to_batch
from lossless_ros.observation.frames import Frame


@pytest.fixture
def frames(contract):
    rng = np.random.default_rng(0)
    return [
        Frame(
            i,
            tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in contract.cameras),
            rng.normal(size=contract.proprioception_dim).astype(np.float32),
            {},
        )
        for i in range(3)
    ]


def test_action_is_the_same_each_time_and_within_limits(bundle_path, lite0, frames, contract):
    policy = load_policy(bundle_path, "cpu", lite0)
    policy.warm_up(1)
    actions = [policy.act(f) for f in frames]
    again = [load_policy(bundle_path, "cpu", lite0).act(f) for f in frames]
    assert np.array_equal(actions, again)
    assert actions[0].shape == (contract.action.dim,) and actions[0].dtype == np.float32
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


def test_bundle_for_another_backbone_is_refused(bundle_path, lite0):
    other = Backbone(lite0.name, lite0.family, load_plain(lite0.name, lite0.source), lite0.source)
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


def test_unknown_device_is_one_line():
    with pytest.raises(LosslessError, match="no device 'warp' here; there is cpu"):
        find_device("warp")


def test_statistics_come_from_data_and_do_not_blow_up_what_hardly_moves(lite0, contract, config):
    network = Network(config, lite0, contract)
    rng = np.random.default_rng(0)
    felt = rng.normal(3, 2, (500, contract.proprioception_dim)).astype(np.float32)
    felt[:, 0] = 1.5
    network.fit_statistics(felt)
    np.testing.assert_allclose(network.mean, felt.mean(0), rtol=1e-5)
    assert network.std[0] == pytest.approx(MIN_STD)
    assert network.std[1] == pytest.approx(felt[:, 1].std(), rel=1e-5)


def test_raw_action_becomes_units_and_a_gripper_between_its_ends(contract):
    raw = torch.tensor([[0.5, -2.0, 0.0, 1.0, 30.0], [0, 0, 0, 0, -0.1]])
    action = to_action(raw, contract)
    assert action[0].tolist() == pytest.approx([0.035, -0.07, 0, 1, 1])
    assert -1 < action[1, -1] < 0


def test_preprocessing_resizes_and_normalises_as_the_backbone_was_trained(lite0):
    image = np.full((1, 96, 96, 3), 255, np.uint8)
    batch = to_batch([image, image], 128, lite0.preprocessing, "cpu")
    assert batch.shape == (2, 3, 128, 128)
    assert normalize(batch, lite0.preprocessing).min() == pytest.approx(1)  # (1 - 0.5) / 0.5

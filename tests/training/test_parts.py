"""Augmentation, order of the data, loss: small functions, each with its promise."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lossless_ros.models.action_head import components, negative_log_likelihood, output_dim, select_mode
from lossless_ros.models.temporal_ensemble import DECAY, TemporalEnsemble
from lossless_ros.training import sampler as order
from lossless_ros.training.augment import BatchRng, augment, color_jitter, random_shift
from lossless_ros.training.loss import errors, limits_of, loss


def draws(count: int, seed: int = 0, part: slice = slice(None)) -> BatchRng:
    return BatchRng(count, np.arange(count)[part], torch.Generator().manual_seed(seed))


def test_augmentation_is_reproducible_and_stays_an_image():
    images = torch.rand(4, 3, 32, 32)
    first, again, other = (augment(images, 0.1, 0.3, draws(4, s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == images.shape and first.min() >= 0 and first.max() <= 1


def test_augmentation_of_nothing_changes_nothing():
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(augment(images, 0.0, 0.0, draws(2)), images)


def test_part_of_a_batch_is_augmented_as_in_the_whole_one():
    images = torch.rand(6, 3, 16, 16)
    whole, part = augment(images, 0.2, 0.3, draws(6)), augment(images[1::2], 0.2, 0.3, draws(6, part=slice(1, None, 2)))
    torch.testing.assert_close(part, whole[1::2])


def test_shift_moves_content_by_whole_pixels():
    images = torch.zeros(64, 3, 32, 32)
    images[:, :, 16, 16] = 1
    moved = random_shift(images, 0.1, draws(64))
    where = moved[:, 0].flatten(1).argmax(1)
    assert (moved.sum((1, 2, 3)) == 3).all()
    assert {(int(w) // 32 - 16) for w in where} == {-3, -2, -1, 0, 1, 2, 3}


def test_color_differs_per_image_and_keeps_shapes_in_it():
    images = torch.rand(2, 3, 8, 8).mul(0.2).add(0.4)
    varied = color_jitter(images, 0.2, draws(2))
    assert not torch.allclose(varied[0] - images[0], varied[1] - images[1], atol=1e-3)
    assert np.corrcoef(images[0, 0].flatten(), varied[0, 0].flatten())[0, 1] > 0.999


def test_every_epoch_shows_each_frame_once_in_another_order():
    epochs = [np.concatenate([order.indices(20, 5, 3, 4 * e + i) for i in range(4)]) for e in range(2)]
    assert [sorted(e) for e in epochs] == [list(range(20))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert order.indices(3, 8, 0, 5).tolist() != [] and len(order.indices(3, 8, 0, 5)) == 3


def test_random_numbers_depend_on_seed_and_step_alone():
    draws = [torch.rand(1, generator=order.generator(*key)).item() for key in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert draws[0] == draws[1] and len(set(draws)) == 3


def test_loss_is_zero_for_the_experts_own_action(contract):
    limits = limits_of(contract, "cpu")
    actions = torch.tensor([[0.07, -0.035, 0.0, 0.5, 1.0], [0.0, 0.07, 0.01, -1.0, -1.0]])
    raw = actions / limits
    raw[:, -1] *= 50
    known = torch.ones(2, 1, dtype=torch.bool)
    assert loss(raw[:, None], actions[:, None], known, 2, limits, 0.5, 0).item() == pytest.approx(0, abs=1e-6)
    report = errors(raw, actions, contract)
    assert report["gripper_agreement"] == 1
    assert list(report["mae"]) == ["linear.x", "linear.y", "linear.z", "angular.z"]
    assert max(report["mae"].values()) == pytest.approx(0, abs=1e-7)


def test_errors_are_in_units(contract):
    actions = torch.zeros(2, 5)
    raw = torch.tensor([[0.5, 0, 0, 0.1, 1.0], [0.5, 0, 0, 0.1, -1.0]])
    report = errors(raw, actions, contract)
    assert report["mae"]["linear.x"] == pytest.approx(0.035)
    assert report["mae"]["angular.z"] == pytest.approx(0.1)
    assert report["gripper_agreement"] == 0.5


def test_instants_after_the_end_of_an_episode_do_not_count(contract):
    raw, actions = torch.randn(3, 2, 5), torch.randn(3, 2, 5)
    known = torch.tensor([[True, True], [True, False], [True, False]])
    limits = limits_of(contract, "cpu")
    before = loss(raw, actions, known, 4, limits, 0.5, 0)
    actions[1:, 1] += 100
    assert torch.equal(loss(raw, actions, known, 4, limits, 0.5, 0), before)
    actions[0, 1] += 100
    assert loss(raw, actions, known, 4, limits, 0.5, 0) > before


def test_mixture_is_as_likely_as_torch_says_and_points_at_its_likeliest_component():
    torch.manual_seed(0)
    raw, velocities = torch.randn(4, 2, output_dim(5, 3)), torch.randn(4, 2, 4)
    logits, means, log_std = components(raw, 5, 3)
    normals = Independent(Normal(means, log_std.exp()), 1)
    expected = -MixtureSameFamily(Categorical(logits=logits), normals).log_prob(velocities) / 4
    torch.testing.assert_close(negative_log_likelihood(raw, velocities, 3), expected)
    chosen = select_mode(raw, 5, 3)
    assert torch.equal(chosen[1, 0, :4], means[1, 0, logits[1, 0].argmax()]) and torch.equal(
        chosen[..., 4], raw[..., -1]
    )


def test_ensemble_averages_what_was_predicted_for_this_instant():
    ensemble, period = TemporalEnsemble(50), 50
    first = ensemble(1000, np.array([[0.0], [1.0], [2.0]]))
    second = ensemble(1000 + period, np.array([[3.0], [4.0], [5.0]]))
    w = np.exp(-DECAY)
    assert first == pytest.approx([0.0]) and second == pytest.approx([(3 + w * 1) / (1 + w)])
    assert ensemble(1000 + 3 * period, np.array([[7.0], [8.0], [9.0]])) == pytest.approx([(7 + w**2 * 5) / (1 + w**2)])
    assert ensemble(1000, np.array([[6.0], [0.0], [0.0]])) == pytest.approx([6.0])  # another run

"""Augmentation, sampler, loss, action head and ensemble: small functions, each with its contract."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lossless_ros.models.action_head import components, negative_log_likelihood, output_dim, select_mode
from lossless_ros.models.execution import DEFAULT_COEFF
from lossless_ros.models.network import to_action
from lossless_ros.models.temporal_ensemble import TemporalEnsemble
from lossless_ros.training import sampler
from lossless_ros.training.augment import BatchRng, augment, color_jitter, random_shift
from lossless_ros.training.loss import action_errors, loss, speed_limits
from tests.support import joints


def batch_rng(count: int, seed: int = 0, selected: slice = slice(None)) -> BatchRng:
    return BatchRng(count, np.arange(count)[selected], torch.Generator().manual_seed(seed))


def test_augmentation_is_reproducible_and_stays_an_image():
    images = torch.rand(4, 3, 32, 32)
    first, again, other = (augment(images, 0.1, 0.3, batch_rng(4, s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_augmentation_by_zero_changes_nothing():
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(augment(images, 0.0, 0.0, batch_rng(2)), images)


def test_part_of_a_batch_is_augmented_as_in_the_whole_batch():
    images = torch.rand(6, 3, 16, 16)
    whole = augment(images, 0.2, 0.3, batch_rng(6))
    part = augment(images[1::2], 0.2, 0.3, batch_rng(6, selected=slice(1, None, 2)))
    torch.testing.assert_close(part, whole[1::2])


def test_shift_moves_content_by_whole_pixels():
    images = torch.zeros(64, 3, 32, 32)
    images[:, :, 16, 16] = 1
    shifted = random_shift(images, 0.1, batch_rng(64))
    positions = shifted[:, 0].flatten(1).argmax(1)
    assert (shifted.sum((1, 2, 3)) == 3).all()
    assert {(int(position) // 32 - 16) for position in positions} == {-3, -2, -1, 0, 1, 2, 3}


def test_color_jitter_differs_per_image_and_keeps_its_shapes():
    images = torch.rand(2, 3, 8, 8).mul(0.2).add(0.4)
    jittered = color_jitter(images, 0.2, batch_rng(2))
    assert not torch.allclose(jittered[0] - images[0], jittered[1] - images[1], atol=1e-3)
    assert np.corrcoef(images[0, 0].flatten(), jittered[0, 0].flatten())[0, 1] > 0.999


def test_every_epoch_has_each_frame_once_in_another_order():
    epochs = [np.concatenate([sampler.batch_indices(20, 5, 3, 4 * e + i) for i in range(4)]) for e in range(2)]
    assert [sorted(e) for e in epochs] == [list(range(20))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert len(sampler.batch_indices(3, 8, 0, 5)) == 3


def test_random_numbers_depend_on_seed_and_step_alone():
    keys = ((0, 1), (0, 1), (0, 2), (1, 1))  # seed and step
    numbers = [torch.rand(1, generator=sampler.step_generator(seed, step)).item() for seed, step in keys]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 3


def test_loss_is_zero_for_the_action_of_the_expert(contract):
    limits = speed_limits(contract, "cpu")
    actions = torch.tensor([[0.07, -0.035, 0.0, 0.5, 1.0], [0.0, 0.07, 0.01, -1.0, -1.0]])
    normalized = torch.cat([actions[:, :-1] / limits, 50 * actions[:, -1:]], 1)
    known = torch.ones(2, 1, dtype=torch.bool)
    assert loss(normalized[:, None], actions[:, None], known, 2, limits, 0.5, 0).item() == pytest.approx(0, abs=1e-6)
    report = action_errors(normalized, actions, contract)
    assert report["gripper_agreement"] == 1
    assert list(report["mae"]) == ["linear.x", "linear.y", "linear.z", "angular.z"]
    assert max(report["mae"].values()) == pytest.approx(0, abs=1e-7)


def test_errors_are_in_units(contract):
    actions = torch.zeros(2, 5)
    normalized = torch.tensor([[0.5, 0, 0, 0.1, 1.0], [0.5, 0, 0, 0.1, -1.0]])
    report = action_errors(normalized, actions, contract)
    assert report["mae"]["linear.x"] == pytest.approx(0.035)
    assert report["mae"]["angular.z"] == pytest.approx(0.1)
    assert report["gripper_agreement"] == 0.5


def test_steps_after_the_end_of_an_episode_do_not_count(contract):
    outputs, actions = torch.randn(3, 2, 5), torch.randn(3, 2, 5)
    known = torch.tensor([[True, True], [True, False], [True, False]])
    limits = speed_limits(contract, "cpu")
    before = loss(outputs, actions, known, 4, limits, 0.5, 0)
    actions[1:, 1] += 100
    assert torch.equal(loss(outputs, actions, known, 4, limits, 0.5, 0), before)
    actions[0, 1] += 100
    assert loss(outputs, actions, known, 4, limits, 0.5, 0) > before


def test_mixture_has_the_likelihood_of_torch_and_its_most_likely_mode_is_selected():
    torch.manual_seed(0)
    outputs, velocities = torch.randn(4, 2, output_dim(5, 4, 3)), torch.randn(4, 2, 4)
    logits, means, log_std = components(outputs, 4, 3)
    normals = Independent(Normal(means, log_std.exp()), 1)
    expected = -MixtureSameFamily(Categorical(logits=logits), normals).log_prob(velocities) / 4
    torch.testing.assert_close(negative_log_likelihood(outputs, velocities, 3), expected)
    chosen = select_mode(outputs, 4, 3)
    assert torch.equal(chosen[1, 0, :4], means[1, 0, logits[1, 0].argmax()])
    assert torch.equal(chosen[..., 4], outputs[..., -1])


@pytest.mark.parametrize("num_modes", [0, 3])
def test_without_a_gripper_loss_and_errors_are_those_of_the_velocities(num_modes):
    torch.manual_seed(0)
    limits, known = speed_limits(joints.CONTRACT, "cpu"), torch.ones(4, 1, dtype=torch.bool)
    outputs = torch.randn(4, 1, output_dim(2, 2, num_modes))
    chosen = select_mode(outputs, 2, num_modes)
    assert chosen.shape == (4, 1, 2)
    actions = to_action(chosen.clamp(-1, 1), joints.CONTRACT)
    assert (actions.abs() <= limits).all()
    first, second = (loss(outputs, actions, known, 4, limits, weight, num_modes) for weight in (0.1, 9.0))
    assert torch.equal(first, second)  # there is nothing to weigh
    if not num_modes:
        assert first == pytest.approx((outputs - actions / limits).square().mean().item())
    report = action_errors(chosen[:, 0], actions[:, 0], joints.CONTRACT)
    assert report.keys() == {"mae"} and list(report["mae"]) == ["elbow", "finger"]


def test_ensemble_averages_the_predictions_for_this_step():
    ensemble, period = TemporalEnsemble(50), 50
    first = ensemble(1000, np.array([[0.0], [1.0], [2.0]]))
    second = ensemble(1000 + period, np.array([[3.0], [4.0], [5.0]]))
    w = np.exp(DEFAULT_COEFF)
    assert first == pytest.approx([0.0])
    assert second == pytest.approx([(3 + w * 1) / (1 + w)])
    assert ensemble(1000 + 3 * period, np.array([[7.0], [8.0], [9.0]])) == pytest.approx([(7 + w**2 * 5) / (1 + w**2)])
    assert ensemble(1000, np.array([[6.0], [0.0], [0.0]])) == pytest.approx(
        [6.0]
    )  # a stamp that goes back starts a new run

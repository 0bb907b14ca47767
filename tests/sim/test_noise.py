"""Expert noise."""

import numpy as np
import pytest
from lossless_sim.actions import ACTION_HIGH
from lossless_sim.errors import SimError
from lossless_sim.experts import Noise

STILL = np.array([0, 0, 0, 0, 1], np.float32)


def _disturbed(level: float, seed: int) -> np.ndarray:
    """Return 2000 disturbed actions (2000, 5) in units of the action limits."""
    noise = Noise(level, seed)
    return np.stack([noise(STILL) for _ in range(2000)]) / ACTION_HIGH


def test_noise_is_determined_by_the_seed() -> None:
    assert (_disturbed(0.2, 3) == _disturbed(0.2, 3)).all()
    assert not (_disturbed(0.2, 3) == _disturbed(0.2, 4)).all()


def test_noise_does_not_disturb_the_gripper() -> None:
    assert (_disturbed(0.2, 3)[:, 4] == 1.0).all()


def test_noise_stays_within_the_action_limits() -> None:
    assert np.abs(_disturbed(1.0, 3)).max() <= 1.0


def test_level_is_the_standard_deviation_in_units_of_the_limits() -> None:
    assert np.allclose(_disturbed(0.2, 3)[:, :4].std(axis=0), 0.2, atol=0.05)


def test_noise_of_successive_steps_is_correlated() -> None:
    arm = _disturbed(0.2, 3)[:, :4]
    assert (arm[1:] * arm[:-1]).mean() > 0.5 * arm.var()


def test_zero_noise_returns_the_action_itself() -> None:
    assert Noise(0.0, 3)(STILL) is STILL


@pytest.mark.parametrize("level", [-0.1, 1.5, np.nan])
def test_level_out_of_range_is_an_error(level: float) -> None:
    with pytest.raises(SimError, match="expected a share of the action limits from 0 to 1"):
        Noise(level, 0)


def test_gripper_is_inverted_now_and_then_for_long_enough_to_close() -> None:
    noise = Noise(0.0, 3, gripper=0.2)
    inverted = np.array([noise(STILL)[4] < 0 for _ in range(20_000)])  # 1000 s
    starts = np.flatnonzero(np.diff(inverted.astype(int)) == 1)
    lengths = np.array([np.flatnonzero(~inverted[start + 1 :])[0] for start in starts[:-1]]) * 0.05
    assert 130 < len(starts) < 240
    assert lengths.min() >= 0.4 and lengths.max() <= 1.5
    assert (noise(STILL)[:4] == 0).all()


def test_gripper_noise_does_not_change_the_noise_of_the_arm() -> None:
    plain, with_gripper = Noise(0.2, 3), Noise(0.2, 3, gripper=0.5)
    assert all((plain(STILL)[:4] == with_gripper(STILL)[:4]).all() for _ in range(200))


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan])
def test_gripper_noise_out_of_range_is_an_error(rate: float) -> None:
    with pytest.raises(SimError, match="expected 0 to 1 inversions per second"):
        Noise(0.0, 3, gripper=rate)

"""Intervals against published values."""

import pytest

from lossless_ros.evaluation.statistics import percentiles, wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_as_in_newcombe_1998(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_interval_of_no_episodes_is_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_more_successes_than_episodes_is_an_error():
    with pytest.raises(ValueError, match="3 successes of 2"):
        wilson_interval(3, 2)


def test_percentiles():
    assert percentiles(range(101)) == {"p50": 50.0, "p99": 99.0, "max": 100.0}

"""Motion limits: pure functions on velocities."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.control.limits import (
    Limits,
    LimitSettings,
    can_stop_in_workspace,
    clamp_to_workspace,
    limit_acceleration,
    limit_to_stopping_distance,
    max_stoppable_speed,
)

ACTION = load_contract("rgb_stacking").action
BOX = (0.5, -0.1, 0.1, 0.7, 0.1, 0.3)
PERIOD = 0.05


def test_acceleration_is_limited_in_both_directions() -> None:
    limits = Limits.for_action(ACTION, LimitSettings(linear_acceleration=1.0, angular_acceleration=1.0))
    still = np.zeros(4)
    for target, start, expected in ((-0.07, 0.06, 0.01), (0.055, 0.06, 0.055), (0.07, 0.0, 0.05)):
        found = limit_acceleration(np.full(4, target), np.full(4, start), still, limits, PERIOD)
        np.testing.assert_allclose(found, np.full(4, expected))


def test_max_stoppable_speed_is_the_discrete_stopping_distance() -> None:
    """3 + 2 + 1 = 6 and 2.5 + 1.5 + 0.5 = 4.5; with an infinite step the robot stops after one period."""
    found = max_stoppable_speed(np.array([6.0, 4.5, 0.5, 0.0, 7.0]), np.array([1.0, 1.0, 1.0, 1.0, np.inf]))
    np.testing.assert_allclose(found, [3.0, 2.5, 0.5, 0.0, 7.0])


def test_velocity_that_takes_too_long_to_brake_is_unstoppable() -> None:
    limits = Limits.for_action(ACTION, LimitSettings(linear_acceleration=0.001, workspace=BOX))
    fast, still, middle = np.array([0.07, 0.0, 0.0, 0.0]), np.zeros(4), np.array([0.6, 0.0, 0.2])
    assert can_stop_in_workspace(fast, still, still, middle, limits, PERIOD).tolist() == [False, True, True, True]


def test_workspace_ignores_axes_that_the_action_does_not_have() -> None:
    limits = Limits(np.ones(1), np.ones(1), np.ones(1), np.array([[0.0] * 3, [1.0] * 3]), (-1, 0, -1))
    position = np.array([9.0, 0.95, 9.0])
    np.testing.assert_allclose(clamp_to_workspace(np.array([1.0]), position, limits, 0.1), [0.5])
    # 0.8/3, 0.5/3 and 0.2/3 m/s, 0.1 m/s less each period, cover the remaining 0.05 m
    np.testing.assert_allclose(limit_to_stopping_distance(np.array([1.0]), position, limits, 0.1), [0.8 / 3])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"linear_acceleration": 0.0}, "linear acceleration limit is 0.0"),
        ({"angular_acceleration": float("nan")}, "angular acceleration limit is nan"),
        ({"linear_jerk": -1.0}, "linear jerk limit is -1.0"),
        ({"gripper_rate": 0.0}, "gripper rate limit is 0.0"),
        ({"workspace": (1.0,)}, "workspace is"),
        ({"workspace": (0, 0, 0, 1, 1, 0)}, "workspace is"),
        ({"workspace": (0, 0, 0, 1, 1, float("nan"))}, "workspace is"),
    ],
)
def test_invalid_limits_are_refused(limits: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LimitSettings(**limits)

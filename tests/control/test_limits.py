"""Motion limits: pure functions on velocities."""

from dataclasses import replace

import numpy as np
import pytest

from lossless_ros.contract import Axis, load_contract
from lossless_ros.control.limits import (
    Limits,
    LimitSettings,
    Timing,
    can_stop_in_room,
    clamp_to_walls,
    limit_acceleration,
    limit_to_stopping_distance,
    max_fading_acceleration,
    max_stoppable_speed,
    room_to_walls,
)
from tests.support import joints

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


def test_acceleration_can_fade_out_in_periods_of_any_length() -> None:
    change, jerk = np.array([1.0, 1.0, 0.0]), np.array([2.0, np.inf, 2.0])
    found = max_fading_acceleration(change, jerk, 0.5)
    np.testing.assert_allclose(found, [np.sqrt(5) - 1, 2.0, 0.0])
    np.testing.assert_allclose(found[0] * 0.5 + found[0] ** 2 / (2 * 2.0), 1.0)


def test_velocity_that_takes_too_long_to_brake_is_unstoppable() -> None:
    limits = Limits.for_action(ACTION, LimitSettings(linear_acceleration=0.001, workspace=BOX))
    fast, still = np.array([0.07, 0.0, 0.0, 0.0]), np.zeros(4)
    room = room_to_walls(np.array([0.6, 0.0, 0.2, 0.0]), still, still, limits)
    stoppable = can_stop_in_room(fast, still, room, limits, Timing(PERIOD, PERIOD))
    assert stoppable.tolist() == [False, True, True, True]


def test_motion_since_the_pose_takes_room_from_the_wall_ahead_only() -> None:
    limits = Limits.for_action(ACTION, LimitSettings(workspace=BOX))
    down, up = np.array([0.0, -0.02, -0.3, 0.0]), np.array([0.03, 0.0, 0.0, 0.0])
    below, above = room_to_walls(np.array([0.6, 0.0, 0.2, 0.0]), down, up, limits)
    np.testing.assert_allclose(below, [0.098, 0.078, 0.0, np.inf])  # 2 mm are left before a wall
    np.testing.assert_allclose(above, [0.068, 0.098, 0.098, np.inf])


@pytest.mark.parametrize(("hold", "speed"), [(0.1, 0.8 / 3), (0.2, 0.35 / 2)])
def test_stopping_distance_counts_the_whole_time_that_a_command_may_stay_in_force(hold: float, speed: float) -> None:
    """0.8/3, 0.5/3 and 0.2/3 m/s, 0.1 m/s less each time, for 0.1 s each; 0.175 and 0.075 m/s for 0.2 s each."""
    limits = Limits(np.ones(1), np.ones(1), np.ones(1), np.array([[0.0], [1.0]]))
    room = (np.array([0.95]), np.array([0.05]))
    np.testing.assert_allclose(limit_to_stopping_distance(np.array([1.0]), room, limits, Timing(0.1, hold)), [speed])


def test_workspace_ignores_axes_that_the_action_does_not_have() -> None:
    action = replace(ACTION, axes=(Axis("angular.z", 1.0), Axis("linear.y", 1.0)))
    limits = Limits.for_action(action, LimitSettings(workspace=(0.0, 0.0, 0.0, 1.0, 1.0, 1.0)))
    np.testing.assert_array_equal(limits.walls, [[-np.inf, 0.0], [np.inf, 1.0]])
    position, still = np.array([0.0, 0.95]), np.zeros(2)
    np.testing.assert_allclose(clamp_to_walls(np.ones(2), position, limits, 0.1), [1.0, 0.5])
    below, above = room_to_walls(position, still, still, limits)
    np.testing.assert_allclose([below, above], [[np.inf, 0.948], [np.inf, 0.048]])


def test_ranges_of_joints_are_walls_and_limits_go_by_the_joints_unit() -> None:
    settings = LimitSettings(linear_acceleration=0.1, angular_acceleration=2.0, linear_jerk=3.0, angular_jerk=40.0)
    limits = Limits.for_action(joints.CONTRACT.action, settings, {"finger": (0.0, 0.04), "another": (-1.0, 1.0)})
    np.testing.assert_array_equal(limits.walls, [[-np.inf, 0.0], [np.inf, 0.04]])
    assert limits.acceleration.tolist() == [2.0, 0.1] and limits.jerk.tolist() == [40.0, 3.0]
    assert limits.gripper_target is None


def test_workspace_is_refused_where_joints_are_commanded() -> None:
    with pytest.raises(ValueError, match="workspace is a box for the tool center, but the contract commands joints"):
        Limits.for_action(joints.CONTRACT.action, LimitSettings(workspace=BOX))


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

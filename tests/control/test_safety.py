"""What may be sent to a robot."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.control.safety import (
    Guard,
    Limits,
    age_fault,
    can_stop_in_workspace,
    clamp_to_workspace,
    fault_of,
    joint_fault,
    limit_acceleration,
    limit_to_stopping_distance,
    max_stoppable_speed,
)

ACTION = load_contract("rgb_stacking").action
BOX = (0.5, -0.1, 0.1, 0.7, 0.1, 0.3)
STILL = np.zeros(5, np.float32)
AHEAD = np.array([0.05, 0, 0, 0, 1], np.float32)


PERIOD = 0.05
VELOCITY = np.array([axis.limit for axis in ACTION.axes])


def guard(resume: str = "automatic", **limits: object) -> Guard:
    return Guard(Limits.of(ACTION, **limits), PERIOD, resume)  # type: ignore[arg-type]


def test_action_within_the_contract_is_sent_as_it_is() -> None:
    command = guard().filter(np.array([0.07, -0.07, 0.01, 1, 0.4], np.float32))
    np.testing.assert_allclose(command, [0.07, -0.07, 0.01, 1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("action", [[0.08, 0, 0, 0, 1], [0, 0, 0, -1.1, 1], [0, 0, 0, 0, 1.5]])
def test_action_outside_the_contract_is_dropped_whole(action: list[float]) -> None:
    with pytest.raises(ValueError, match="the contract allows magnitudes of"):
        guard().filter(np.array(action, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", range(5))
def test_action_that_is_not_finite_is_refused_and_changes_nothing(axis: int, value: float) -> None:
    action = STILL.copy()
    action[axis] = value
    subject = guard()
    with pytest.raises(ValueError, match="not finite"):
        subject.filter(action)
    assert subject.state == "idle"


def test_action_of_another_shape_is_refused() -> None:
    assert fault_of(np.zeros(4), np.ones(5)) == "action has shape (4,), expected (5,)"
    assert fault_of(STILL, np.ones(5)) is None


def test_velocity_changes_no_faster_than_the_acceleration_allows() -> None:
    subject = guard(linear_acceleration=0.4, angular_acceleration=2.0)
    speeds = [subject.filter(np.array([0.07, 0, 0, 1.0, 1], np.float32)) for _ in range(4)]
    np.testing.assert_allclose([s[0] for s in speeds], [0.02, 0.04, 0.06, 0.07])
    np.testing.assert_allclose([s[3] for s in speeds], [0.1, 0.2, 0.3, 0.4])


def test_acceleration_begins_from_rest_after_a_stop() -> None:
    subject = guard(linear_acceleration=0.4)
    for _ in range(4):
        subject.filter(AHEAD)
    subject.stop("test", "stop")
    np.testing.assert_allclose(subject.filter(AHEAD)[0], 0.02)


def test_acceleration_is_limited_in_both_directions() -> None:
    limits = Limits.of(ACTION, linear_acceleration=1.0, angular_acceleration=1.0)
    still = np.zeros(4)
    for wanted, begin, expected in ((-0.07, 0.06, 0.01), (0.055, 0.06, 0.055), (0.07, 0.0, 0.05)):
        found = limit_acceleration(np.full(4, wanted), np.full(4, begin), still, limits, PERIOD)
        np.testing.assert_allclose(found, np.full(4, expected))


def test_largest_first_number_of_a_falling_series() -> None:
    """Of 3, 2, 1 the sum is 6; of 2.5, 1.5, 0.5 it is 4.5; a series that falls at once is its first number."""
    found = max_stoppable_speed(np.array([6.0, 4.5, 0.5, 0.0, 7.0]), np.array([1.0, 1.0, 1.0, 1.0, np.inf]))
    np.testing.assert_allclose(found, [3.0, 2.5, 0.5, 0.0, 7.0])


def wild_actions(rng: np.random.Generator, number: int) -> np.ndarray:
    """Actions that jump between the ends of what the contract allows, and rest now and then."""
    actions = rng.choice([-1, 0, 1], (number, 5)) * rng.uniform(0, 1, (number, 5)) ** 0.3
    actions[rng.random(number) < 0.3] = 0
    return (np.clip(actions, -1, 1) * np.array(ACTION.limits)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_no_row_of_actions_makes_commands_beyond_any_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linear, angular = rng.uniform(0.1, 2), rng.uniform(1, 20)
    jerks = rng.uniform(0.5, 40), rng.uniform(5, 400)
    rate = rng.uniform(0.3, 5)
    subject = guard(
        linear_acceleration=linear,
        angular_acceleration=angular,
        linear_jerk=jerks[0],
        angular_jerk=jerks[1],
        gripper_rate=rate,
    )
    acceleration = np.array([linear] * 3 + [angular])
    jerk = np.array([jerks[0]] * 3 + [jerks[1]])
    before, rise_before, gripper = np.zeros(4), np.zeros(4), None
    for number, action in enumerate(wild_actions(rng, 150)):
        if rng.random() < 0.02:
            subject.stop("test", "now and then")
            before, rise_before = np.zeros(4), np.zeros(4)
        command = subject.filter(action)
        assert command is not None
        velocity, rise = command[:-1], (command[:-1] - before) / PERIOD
        assert (np.abs(velocity) <= VELOCITY + 1e-9).all(), number
        assert (np.abs(rise) <= acceleration + 1e-9).all(), number
        assert (np.abs(rise - rise_before) <= jerk * PERIOD + 1e-9).all(), number
        assert gripper is None or abs(command[-1] - gripper) <= 2 * rate * PERIOD + 1e-9
        before, rise_before, gripper = velocity, rise, command[-1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("behind", [0, 1])  # periods by which the measured position is older
@pytest.mark.parametrize("jerky", [False, True])
def test_no_row_of_actions_leaves_the_workspace_or_breaks_a_limit_at_its_walls(
    seed: int, behind: int, jerky: bool
) -> None:
    rng = np.random.default_rng(seed)
    acceleration, jerk = rng.uniform(0.1, 1), rng.uniform(0.5, 40) if jerky else np.inf
    subject = guard(linear_acceleration=acceleration, linear_jerk=jerk, workspace=BOX)
    positions, before, rise_before = [np.array([0.6, 0.0, 0.2])] * 2, np.zeros(3), np.zeros(3)
    nearest = np.inf
    for action in wild_actions(rng, 60).repeat(5, axis=0):
        command = subject.filter(action, positions[-1 - behind])
        assert command is not None
        velocity, rise = command[:3], (command[:3] - before) / PERIOD
        assert (np.abs(velocity) <= VELOCITY[:3] + 1e-9).all()
        assert (np.abs(rise) <= acceleration + 1e-9).all()
        assert (np.abs(rise - rise_before) <= jerk * PERIOD + 1e-9).all()
        positions.append(positions[-1] + PERIOD * velocity)
        before, rise_before = velocity, rise
        room = np.minimum(positions[-1] - BOX[:3], np.array(BOX[3:]) - positions[-1]).min()
        assert room > -1e-8
        nearest = min(nearest, room)
    assert nearest < 0.02  # the walls were come to


@pytest.mark.parametrize("x", [0.699, 0.72])
def test_wall_that_is_too_near_to_brake_before_it_throws_the_tool_back_no_faster_than_allowed(x: float) -> None:
    subject = guard(linear_acceleration=0.5, linear_jerk=5.0, workspace=BOX)
    ahead = np.array([0.07, 0, 0, 0, 1], np.float32)
    for _ in range(10):
        subject.filter(ahead, np.array([0.6, 0.0, 0.2]))
    position = np.array([x, 0.0, 0.2])
    for _ in range(100):
        velocity = subject.filter(ahead, position)[:3]
        assert (np.abs(velocity) <= VELOCITY[:3] + 1e-9).all()
        position = position + PERIOD * velocity
    assert 0.69 < position[0] <= max(x, 0.7)


def test_what_takes_too_long_to_brake_does_not_fit() -> None:
    limits, still = Limits.of(ACTION, linear_acceleration=0.001, workspace=BOX), np.zeros(4)
    fast, middle = np.array([0.07, 0.0, 0.0, 0.0]), np.array([0.6, 0.0, 0.2])
    assert can_stop_in_workspace(fast, still, still, middle, limits, PERIOD).tolist() == [False, True, True, True]


def test_commands_that_follow_each_other_sooner_change_less() -> None:
    """A camera of 30 Hz gives frames after one and after two of its periods in turn."""
    subject = guard(linear_acceleration=0.4, gripper_rate=5.0)
    opening = np.array([0.05, 0, 0, 0, -1], np.float32)
    sent = [subject.filter(action, elapsed=s) for action, s in ((AHEAD, 0.067), (AHEAD, 0.033), (opening, 0.025))]
    np.testing.assert_allclose([command[0] for command in sent], [0.02, 0.0332, 0.0432])
    np.testing.assert_allclose([command[-1] for command in sent], [1.0, 1.0, 0.75])


def test_wanted_velocity_is_reached_and_held_under_a_limit_of_jerk() -> None:
    subject = guard(linear_acceleration=0.5, linear_jerk=2.0)
    speeds = [subject.filter(AHEAD)[0] for _ in range(30)]
    assert max(speeds) <= 0.05 + 1e-6 and speeds[-1] == pytest.approx(0.05, abs=1e-6)
    assert all(a <= b + 1e-9 for a, b in zip(speeds, speeds[1:], strict=False))


def test_gripper_goes_no_faster_than_its_rate() -> None:
    subject = guard(gripper_rate=5.0)  # half of the way per period
    opening = np.array([0, 0, 0, 0, -1], np.float32)
    grips = [subject.filter(a)[-1] for a in (AHEAD, opening, opening, opening, AHEAD)]
    np.testing.assert_allclose(grips, [1.0, 0.5, 0.0, -0.5, 0.0])


def test_joint_beyond_its_limits_is_named() -> None:
    limits = np.array([[-1.0, 1.0], [-2.0, 2.0]])
    assert joint_fault(np.array([0.9, -1.9]), limits, ["a", "b"]) is None
    said = joint_fault(np.array([0.9, -2.1]), limits, ["a", "b"])
    assert said == "joint b is at -2.100 rad, its limits are -2 to 2"


@pytest.mark.parametrize(
    ("x", "wanted", "allowed"),
    [
        (0.6, 0.07, 0.07),  # inside
        (0.699, 0.07, 0.02),  # up to the wall in one period
        (0.7, 0.07, 0.0),  # at the wall
        (0.8, 0.07, 0.0),  # outside: not further
        (0.8, -0.07, -0.07),  # but back
        (0.4, -0.07, 0.0),
        (0.4, 0.07, 0.07),
    ],
)
def test_workspace_is_not_left(x: float, wanted: float, allowed: float) -> None:
    command = guard(workspace=BOX).filter(np.array([wanted, 0, 0, 0, 1], np.float32), np.array([x, 0.0, 0.2]))
    assert command[0] == pytest.approx(allowed, abs=1e-6)


def test_workspace_leaves_axes_alone_that_the_action_does_not_have() -> None:
    limits = Limits(np.ones(1), np.ones(1), np.ones(1), np.array([[0.0] * 3, [1.0] * 3]), (-1, 0, -1))
    where = np.array([9.0, 0.95, 9.0])
    np.testing.assert_allclose(clamp_to_workspace(np.array([1.0]), where, limits, 0.1), [0.5])
    # 0.8/3, 0.5/3 and 0.2/3 m/s for a period each are the 0.05 m that are left, 0.1 m/s less each time
    np.testing.assert_allclose(limit_to_stopping_distance(np.array([1.0]), where, limits, 0.1), [0.8 / 3])


def test_workspace_is_not_watched_without_a_position() -> None:
    assert guard(workspace=BOX).filter(AHEAD)[0] == pytest.approx(0.05)


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
def test_limits_that_make_no_sense_are_refused(limits: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        guard(**limits)


def test_only_a_moving_robot_has_to_be_told_to_stop() -> None:
    subject = guard()
    assert not subject.stop("watchdog", "nothing yet")
    subject.filter(AHEAD)
    assert subject.state == "moving"
    assert subject.stop("watchdog", "camera silent")
    assert not subject.stop("watchdog", "camera silent")
    assert (subject.state, subject.reason, subject.stops["watchdog"]) == ("stopped", "camera silent", 2)
    assert subject.filter(AHEAD) is not None and subject.state == "moving"


def test_latched_stop_holds_until_released() -> None:
    subject = guard()
    subject.filter(AHEAD)
    assert subject.stop("service", "asked to", latch=True)
    assert subject.filter(AHEAD) is None
    assert not subject.stop("watchdog", "camera silent")
    assert (subject.state, subject.reason) == ("latched", "asked to")
    subject.release()
    assert subject.state == "stopped"
    assert subject.filter(AHEAD) is not None


def test_release_of_a_robot_that_is_not_latched_changes_nothing() -> None:
    subject = guard()
    subject.release()
    assert subject.state == "idle"


@pytest.mark.parametrize(
    ("now", "fault"),
    [(10, None), (110, None), (111, "data is"), (0, None), (-91, "in the future")],
)
def test_age_of_data(now: int, fault: str | None) -> None:
    said = age_fault(stamp=10, now=now, max_age=100)
    assert said is None if fault is None else fault in str(said)


def test_resumed_by_service_only_when_told_so() -> None:
    subject = guard(resume="service")
    assert subject.filter(AHEAD) is not None  # the first good action needs no service
    assert subject.stop("watchdog", "camera silent")
    assert subject.state == "latched" and subject.filter(AHEAD) is None
    subject.release()
    assert subject.filter(AHEAD) is not None


def test_pause_does_not_latch_whatever_the_policy_of_resuming() -> None:
    subject = guard(resume="service")
    assert not subject.pause("task", "switched")
    subject.filter(AHEAD)
    assert subject.pause("task", "switched")
    assert subject.state == "stopped" and subject.filter(AHEAD) is not None

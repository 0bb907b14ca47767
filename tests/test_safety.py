"""What may be sent to a robot."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.safety import Guard, Limits, age_fault, fault_of, keep_inside, limit_acceleration

ACTION = load_contract("rgb_stacking").action
BOX = (0.5, -0.1, 0.1, 0.7, 0.1, 0.3)
STILL = np.zeros(5, np.float32)
AHEAD = np.array([0.05, 0, 0, 0, 1], np.float32)


def guard(**limits: object) -> Guard:
    return Guard(Limits.of(ACTION, **limits), period=0.05)  # type: ignore[arg-type]


def test_velocities_are_clipped_to_the_contract() -> None:
    command = guard().admit(np.array([1, -1, 0.01, 9, 3], np.float32))
    np.testing.assert_allclose(command, [0.07, -0.07, 0.01, 1.0, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", range(5))
def test_action_that_is_not_finite_is_refused_and_changes_nothing(axis: int, value: float) -> None:
    action = STILL.copy()
    action[axis] = value
    subject = guard()
    with pytest.raises(ValueError, match="not finite"):
        subject.admit(action)
    assert subject.state == "idle"


def test_action_of_another_shape_is_refused() -> None:
    assert fault_of(np.zeros(4), 5) == "action has shape (4,), expected (5,)"
    assert fault_of(STILL, 5) is None


def test_velocity_changes_no_faster_than_the_acceleration_allows() -> None:
    subject = guard(linear_acceleration=0.4, angular_acceleration=2.0)
    speeds = [subject.admit(np.array([0.07, 0, 0, 1.0, 1], np.float32)) for _ in range(4)]
    np.testing.assert_allclose([s[0] for s in speeds], [0.02, 0.04, 0.06, 0.07])
    np.testing.assert_allclose([s[3] for s in speeds], [0.1, 0.2, 0.3, 0.4])


def test_acceleration_begins_from_rest_after_a_stop() -> None:
    subject = guard(linear_acceleration=0.4)
    for _ in range(4):
        subject.admit(AHEAD)
    subject.stop("test", "stop")
    np.testing.assert_allclose(subject.admit(AHEAD)[0], 0.02)


def test_acceleration_is_limited_in_both_directions() -> None:
    limit = np.array([1.0])
    np.testing.assert_allclose(limit_acceleration(np.array([-1.0]), np.array([0.5]), limit, 0.1), [0.4])
    np.testing.assert_allclose(limit_acceleration(np.array([0.45]), np.array([0.5]), limit, 0.1), [0.45])


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
    command = guard(workspace=BOX).admit(np.array([wanted, 0, 0, 0, 1], np.float32), np.array([x, 0.0, 0.2]))
    assert command[0] == pytest.approx(allowed, abs=1e-6)


def test_workspace_leaves_axes_alone_that_the_action_does_not_have() -> None:
    limits = Limits(np.ones(1), np.ones(1), np.array([[0.0] * 3, [1.0] * 3]), (-1, 0, -1))
    velocity = keep_inside(np.array([1.0]), np.array([9.0, 0.95, 9.0]), limits, 0.1)
    np.testing.assert_allclose(velocity, [0.5])


def test_workspace_is_not_watched_without_a_position() -> None:
    assert guard(workspace=BOX).admit(AHEAD)[0] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"linear_acceleration": 0.0}, "linear acceleration limit is 0.0"),
        ({"angular_acceleration": float("nan")}, "angular acceleration limit is nan"),
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
    subject.admit(AHEAD)
    assert subject.state == "moving"
    assert subject.stop("watchdog", "camera silent")
    assert not subject.stop("watchdog", "camera silent")
    assert (subject.state, subject.reason, subject.stops["watchdog"]) == ("stopped", "camera silent", 2)
    assert subject.admit(AHEAD) is not None and subject.state == "moving"


def test_latched_stop_holds_until_released() -> None:
    subject = guard()
    subject.admit(AHEAD)
    assert subject.stop("service", "asked to", latch=True)
    assert subject.admit(AHEAD) is None
    assert not subject.stop("watchdog", "camera silent")
    assert (subject.state, subject.reason) == ("latched", "asked to")
    subject.release()
    assert subject.state == "stopped"
    assert subject.admit(AHEAD) is not None


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

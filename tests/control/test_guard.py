"""The guard: commands stay within every limit, and stops hold."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.control.guard import Guard
from lossless_ros.control.limits import Limits, LimitSettings

ACTION = load_contract("rgb_stacking").action
BOX = (0.5, -0.1, 0.1, 0.7, 0.1, 0.3)
STILL = np.zeros(5, np.float32)
AHEAD = np.array([0.05, 0, 0, 0, 1], np.float32)
PERIOD = 0.05
VELOCITY = np.array([axis.limit for axis in ACTION.axes])


def make_guard(resume: str = "automatic", **limits: float | tuple[float, ...]) -> Guard:
    return Guard(Limits.for_action(ACTION, LimitSettings(**limits)), PERIOD, resume)  # type: ignore[arg-type]


def test_action_within_the_contract_is_sent_as_it_is() -> None:
    command = make_guard().filter(np.array([0.07, -0.07, 0.01, 1, 0.4], np.float32))
    np.testing.assert_allclose(command, [0.07, -0.07, 0.01, 1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("action", [[0.08, 0, 0, 0, 1], [0, 0, 0, -1.1, 1], [0, 0, 0, 0, 1.5]])
def test_action_outside_the_contract_is_rejected(action: list[float]) -> None:
    with pytest.raises(ValueError, match="the contract allows magnitudes of"):
        make_guard().filter(np.array(action, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", range(5))
def test_non_finite_action_is_rejected_and_changes_nothing(axis: int, value: float) -> None:
    action = STILL.copy()
    action[axis] = value
    guard = make_guard()
    with pytest.raises(ValueError, match="not finite"):
        guard.filter(action)
    assert guard.state == "idle"


def test_velocity_changes_within_the_acceleration_limit() -> None:
    guard = make_guard(linear_acceleration=0.4, angular_acceleration=2.0)
    speeds = [guard.filter(np.array([0.07, 0, 0, 1.0, 1], np.float32)) for _ in range(4)]
    np.testing.assert_allclose([s[0] for s in speeds], [0.02, 0.04, 0.06, 0.07])
    np.testing.assert_allclose([s[3] for s in speeds], [0.1, 0.2, 0.3, 0.4])


def test_motion_starts_from_rest_after_a_stop() -> None:
    guard = make_guard(linear_acceleration=0.4)
    for _ in range(4):
        guard.filter(AHEAD)
    guard.stop("test", "stop")
    np.testing.assert_allclose(guard.filter(AHEAD)[0], 0.02)


def jumping_actions(rng: np.random.Generator, number: int) -> np.ndarray:
    """Return actions that jump between the limits of the contract and sometimes rest."""
    actions = rng.choice([-1, 0, 1], (number, 5)) * rng.uniform(0, 1, (number, 5)) ** 0.3
    actions[rng.random(number) < 0.3] = 0
    return (np.clip(actions, -1, 1) * np.array(ACTION.limits)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_no_sequence_of_actions_exceeds_a_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linear, angular = rng.uniform(0.1, 2), rng.uniform(1, 20)
    jerks = rng.uniform(0.5, 40), rng.uniform(5, 400)
    rate = rng.uniform(0.3, 5)
    guard = make_guard(
        linear_acceleration=linear,
        angular_acceleration=angular,
        linear_jerk=jerks[0],
        angular_jerk=jerks[1],
        gripper_rate=rate,
    )
    acceleration = np.array([linear] * 3 + [angular])
    jerk = np.array([jerks[0]] * 3 + [jerks[1]])
    before, rise_before, gripper = np.zeros(4), np.zeros(4), None
    for number, action in enumerate(jumping_actions(rng, 150)):
        if rng.random() < 0.02:
            guard.stop("test", "random stop")
            before, rise_before = np.zeros(4), np.zeros(4)
        command = guard.filter(action)
        assert command is not None
        velocity, rise = command[:-1], (command[:-1] - before) / PERIOD
        assert (np.abs(velocity) <= VELOCITY + 1e-9).all(), number
        assert (np.abs(rise) <= acceleration + 1e-9).all(), number
        assert (np.abs(rise - rise_before) <= jerk * PERIOD + 1e-9).all(), number
        assert gripper is None or abs(command[-1] - gripper) <= 2 * rate * PERIOD + 1e-9
        before, rise_before, gripper = velocity, rise, command[-1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("delay", [0, 1])  # of the measured position, in periods
@pytest.mark.parametrize("limit_jerk", [False, True])
def test_no_sequence_of_actions_leaves_the_workspace_or_exceeds_a_limit_at_its_walls(
    seed: int, delay: int, limit_jerk: bool
) -> None:
    rng = np.random.default_rng(seed)
    acceleration, jerk = rng.uniform(0.1, 1), rng.uniform(0.5, 40) if limit_jerk else np.inf
    guard = make_guard(linear_acceleration=acceleration, linear_jerk=jerk, workspace=BOX)
    positions, before, rise_before = [np.array([0.6, 0.0, 0.2])] * 2, np.zeros(3), np.zeros(3)
    nearest = np.inf
    for action in jumping_actions(rng, 60).repeat(5, axis=0):
        command = guard.filter(action, np.append(positions[-1 - delay], 0.0))
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
    assert nearest < 0.03  # the walls were approached


@pytest.mark.parametrize("x", [0.699, 0.72])
def test_tool_too_close_to_a_wall_is_moved_back_within_the_velocity_limit(x: float) -> None:
    guard = make_guard(linear_acceleration=0.5, linear_jerk=5.0, workspace=BOX)
    ahead = np.array([0.07, 0, 0, 0, 1], np.float32)
    for _ in range(10):
        guard.filter(ahead, np.array([0.6, 0.0, 0.2, 0.0]))
    position = np.array([x, 0.0, 0.2])
    for _ in range(100):
        velocity = guard.filter(ahead, np.append(position, 0.0))[:3]
        assert (np.abs(velocity) <= VELOCITY[:3] + 1e-9).all()
        position = position + PERIOD * velocity
    assert 0.69 < position[0] <= max(x, 0.7)


def test_commands_closer_together_than_a_period_change_less() -> None:
    """A 30 Hz camera at 20 Hz control gives frames alternately after one and two of its periods."""
    guard = make_guard(linear_acceleration=0.4, gripper_rate=5.0)
    opening = np.array([0.05, 0, 0, 0, -1], np.float32)
    sent = [guard.filter(action, elapsed=s) for action, s in ((AHEAD, 0.067), (AHEAD, 0.033), (opening, 0.025))]
    np.testing.assert_allclose([command[0] for command in sent], [0.02, 0.0332, 0.0432])
    np.testing.assert_allclose([command[-1] for command in sent], [1.0, 1.0, 0.75])


def test_target_velocity_is_reached_and_held_under_a_jerk_limit() -> None:
    guard = make_guard(linear_acceleration=0.5, linear_jerk=2.0)
    speeds = [guard.filter(AHEAD)[0] for _ in range(30)]
    assert max(speeds) <= 0.05 + 1e-6 and speeds[-1] == pytest.approx(0.05, abs=1e-6)
    assert all(a <= b + 1e-9 for a, b in zip(speeds, speeds[1:], strict=False))


def test_gripper_moves_within_its_rate_limit() -> None:
    guard = make_guard(gripper_rate=5.0)  # half a stroke per period
    opening = np.array([0, 0, 0, 0, -1], np.float32)
    positions = [guard.filter(a)[-1] for a in (AHEAD, opening, opening, opening, AHEAD)]
    np.testing.assert_allclose(positions, [1.0, 0.5, 0.0, -0.5, 0.0])


@pytest.mark.parametrize(
    ("x", "target", "allowed"),
    [
        (0.6, 0.07, 0.07),  # inside
        (0.69, 0.07, 0.032),  # 8 mm in five periods, if no other command comes
        (0.699, 0.07, 0.0),  # in the margin
        (0.7, 0.07, 0.0),  # at the wall
        (0.8, 0.07, 0.0),  # outside: no further
        (0.8, -0.07, -0.07),  # but back in
        (0.4, -0.07, 0.0),
        (0.4, 0.07, 0.07),
    ],
)
def test_workspace_is_not_left(x: float, target: float, allowed: float) -> None:
    position = np.array([x, 0.0, 0.2, 0.0])
    command = make_guard(workspace=BOX).filter(np.array([target, 0, 0, 0, 1], np.float32), position)
    assert command[0] == pytest.approx(allowed, abs=1e-6)


def test_workspace_is_not_enforced_without_a_position() -> None:
    assert make_guard(workspace=BOX).filter(AHEAD)[0] == pytest.approx(0.05)


def test_only_a_moving_robot_needs_a_stop() -> None:
    guard = make_guard()
    assert not guard.stop("watchdog", "no command yet")
    guard.filter(AHEAD)
    assert guard.state == "moving"
    assert guard.stop("watchdog", "camera silent")
    assert not guard.stop("watchdog", "camera silent")
    assert (guard.state, guard.reason, guard.stops["watchdog"]) == ("stopped", "camera silent", 2)
    assert guard.filter(AHEAD) is not None and guard.state == "moving"


def test_latched_stop_holds_until_released() -> None:
    guard = make_guard()
    guard.filter(AHEAD)
    assert guard.stop("service", "requested", latch=True)
    assert guard.filter(AHEAD) is None
    assert not guard.stop("watchdog", "camera silent")
    assert (guard.state, guard.reason) == ("latched", "requested")
    guard.release()
    assert guard.state == "stopped"
    assert guard.filter(AHEAD) is not None


def test_release_without_a_latched_stop_changes_nothing() -> None:
    guard = make_guard()
    guard.release()
    assert guard.state == "idle"


def test_with_resume_service_every_fault_latches() -> None:
    guard = make_guard(resume="service")
    assert guard.filter(AHEAD) is not None  # the first good action needs no service
    assert guard.stop("watchdog", "camera silent")
    assert guard.state == "latched" and guard.filter(AHEAD) is None
    guard.release()
    assert guard.filter(AHEAD) is not None


def test_pause_never_latches() -> None:
    guard = make_guard(resume="service")
    assert not guard.pause("task", "task switched")
    guard.filter(AHEAD)
    assert guard.pause("task", "task switched")
    assert guard.state == "stopped" and guard.filter(AHEAD) is not None

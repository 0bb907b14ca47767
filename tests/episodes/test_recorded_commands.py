"""Commands of recordings: what cannot be learned is refused, or left out and counted, and never silently wrong."""

import dataclasses

import numpy as np
import pytest

from lossless_ros.contract import Axis, Gripper, Robot
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.left_out import describe_left_out, gripper_note, left_out_frames
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from tests.support.bags import (
    CAMERAS,
    CONTRACT,
    FINGER,
    FRAMES,
    GRIPPERS,
    JOINTS,
    PERIOD_NS,
    POSES,
    TWISTS,
    edited,
    joint_state,
    numbers,
    pose,
    recording,
    stamp_of,
    twist,
    write_bag,
)

NAN = float("nan")
GOOD = (0.05, 0, 0, 0, 0, 0)


def decode(path, events, robot=None):
    return decode_episodes([write_bag(path, events)], CONTRACT, robot)[0]


def twists(change):
    return edited(recording(), TWISTS, lambda i, event: change(i, stamp_of(event)))


def grippers(change):
    return edited(recording(), GRIPPERS, lambda i, event: change(i))


def test_a_good_recording_loses_nothing(tmp_path):
    episode = decode(tmp_path / "bag", recording())
    assert len(episode) == FRAMES
    assert episode.left_out == {} and episode.notes == ()
    assert (episode.actions[:, -1] > 0).tolist() == [i > FRAMES // 2 for i in range(FRAMES)]
    np.testing.assert_array_equal(episode.periods, np.arange(FRAMES))
    assert describe_left_out([episode]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, t: twist(t, (1.0 if i % 2 else -1.0, 0.5, 0, 0, 0, 0)),
         "30 of 30 twists on /servo_node/delta_twist_cmds exceed the limits .*up to 1 of 0.1 m/s on linear.x"),
        (lambda i, t: twist(t, (0, 0, 0, 0, 0, -1.5 if i == 3 else 0.5)),
         r"1 of 30 twists .* exceed .*up to 1.5 of 1 rad/s on angular.z"),
        (lambda i, t: twist(t, (0.05, 0, 0, 0.4, 0, 0)), "30 of 30 twists .* move along angular.x .*up to 0.4 rad/s"),
        (lambda i, t: twist(t, (NAN, 0, 0, 0, 0, 0) if i == 5 else GOOD),
         r"bag: /servo_node/delta_twist_cmds at \d+ ns: the velocity is not finite"),
        (lambda i, t: twist(t, (0.05, 0, 0, 0, float("inf"), 0) if i == 5 else GOOD), "the velocity is not finite"),
        (lambda i, t: twist(t, GOOD, "tool0"),
         "/servo_node/delta_twist_cmds at .* in frame 'tool0', expected 'base_link'"),
        (lambda i, t: twist(t, GOOD, "tool0" if i == 9 else "base_link"), "in frame 'tool0', expected 'base_link'"),
        (lambda i, t: twist(t, GOOD) if i % 2 == 0 else None,
         "/servo_node/delta_twist_cmds has 10.0 Hz, contract 'table' needs 20 Hz"),
        (lambda i, t: twist(t + 7 * 10**9, GOOD),
         "the stamps of /servo_node/delta_twist_cmds are 7.00 s ahead of those of /front/image_raw"),
        (lambda i, t: twist(0, GOOD), "all 30 messages on /servo_node/delta_twist_cmds are stamped 0 s"),
        (lambda i, t: twist(t if i < 15 else t - 10 * PERIOD_NS, GOOD), "delta_twist_cmds goes back in time by 0.45 s"),
    ],
    ids=["unitless", "one-too-fast", "other-axis", "nan", "inf", "frame", "one-frame", "slow", "clock", "zero", "back"],
)  # fmt: skip
def test_twists_that_cannot_be_learned_are_refused_by_episode_and_topic(tmp_path, change, message):
    with pytest.raises(LosslessError, match=message) as caught:
        decode(tmp_path / "bag", twists(change))
    assert str(caught.value).startswith(str(tmp_path / "bag")) and "\n" not in str(caught.value)


def test_twists_in_the_robots_frame_or_without_one_are_accepted(tmp_path):
    for number, frame_id in enumerate(("base_link", "/base_link", "")):
        episode = decode(tmp_path / str(number), twists(lambda i, t, f=frame_id: twist(t, GOOD, f)))
        assert len(episode) == FRAMES
    events = edited(twists(lambda i, t: twist(t, GOOD, "world")), POSES, lambda i, e: pose(stamp_of(e), "world"))
    assert len(decode(tmp_path / "world", events, Robot(frame_id="world", frames={"base_link": "world"}))) == FRAMES
    with pytest.raises(LosslessError, match="in frame 'world', expected 'base_link'"):
        decode_episodes([tmp_path / "world"], CONTRACT)
    with pytest.raises(LosslessError, match="commands in frame 'base_link', the robot takes commands in 'world'"):
        decode_episodes([tmp_path / "world"], CONTRACT, Robot(frame_id="world"))


def test_a_limit_that_the_twists_keep_and_an_axis_of_the_contract_are_accepted(tmp_path):
    path = write_bag(tmp_path / "bag", twists(lambda i, t: twist(t, (0.1 + 1e-9, 0, 0, 0, 0.4, 0))))
    axes = (*CONTRACT.action.axes, Axis("angular.y", 0.5))
    contract = dataclasses.replace(CONTRACT, action=dataclasses.replace(CONTRACT.action, axes=axes))
    assert read_episode(path, contract).fault is None
    assert "move along angular.y" in str(read_episode(path, CONTRACT).fault)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: numbers(0.04 if i > 15 else 0.0), r"all 30 gripper commands on /gripper_controller/commands are "
         r"nearer to open, but not all are there \(0 to 0.04\), expected 0 \(open\) to 0.8 \(closed\)"),
        (lambda i: numbers(0.7 if i > 15 else 0.5), "are nearer to closed, but not all are there"),
        (lambda i: numbers(100.0 if i > 15 else 0.0), r"14 of 30 gripper commands .* out of range \(0 to 100\)"),
        (lambda i: numbers(0.4), r"nearer to open, but not all are there \(0.4\)"),
        (lambda i: numbers(NAN), r"/gripper_controller/commands at \d+ ns: the gripper command is not finite"),
        (lambda i: numbers(), r"/gripper_controller/commands at \d+ ns: the gripper command has 0 numbers, expected 1"),
        (lambda i: numbers(0.0, 0.8), "the gripper command has 2 numbers, expected 1"),
    ],
    ids=["meters", "one-sided", "percent", "between", "nan", "empty", "two"],
)  # fmt: skip
def test_gripper_commands_in_other_units_are_refused_by_episode_and_topic(tmp_path, change, message):
    with pytest.raises(LosslessError, match=message) as caught:
        decode(tmp_path / "bag", grippers(change))
    assert str(caught.value).startswith(str(tmp_path / "bag"))


def test_the_robots_gripper_says_what_the_units_are(tmp_path):
    franka = Robot(gripper=Gripper(open=0.04, closed=0.0))
    episode = decode(tmp_path / "bag", grippers(lambda i: numbers(0.0 if i > 15 else 0.04)), franka)
    assert (episode.actions[:, -1] > 0).tolist() == [i > FRAMES // 2 for i in range(FRAMES)]


def test_frames_before_the_first_gripper_command_are_left_out_and_counted(tmp_path):
    episode = decode(tmp_path / "bag", grippers(lambda i: numbers(0.8) if i == 12 else None))
    assert dict(episode.left_out) == {"before the first message on /gripper_controller/commands": 12}
    assert len(episode) == FRAMES - 12 and (episode.actions[:, -1] == 1).all()
    assert describe_left_out([episode])[0] == (
        "left out 12 of 30 frames: before the first message on /gripper_controller/commands (12)"
    )


def test_a_recording_whose_gripper_is_never_commanded_is_refused(tmp_path):
    """Nothing is labeled open because nothing is known."""
    events = edited(recording(), GRIPPERS, lambda i, event: None)
    with pytest.raises(LosslessError, match="no topic /gripper_controller/commands"):
        decode(tmp_path / "none", events)
    late = edited(recording(), GRIPPERS, lambda i, e: e._replace(logged=e.logged + 10**10) if i == 0 else None)
    with pytest.raises(
        LosslessError, match=r"no frame .* \(before the first message on /gripper_controller/commands: 30"
    ):
        decode(tmp_path / "late", late)


def test_a_pause_of_the_twists_is_left_out_counted_and_named_with_what_the_gripper_does_in_it(tmp_path):
    episode = decode(tmp_path / "bag", twists(lambda i, t: None if 10 <= i < 22 else twist(t, GOOD)))
    assert dict(episode.left_out) == {"/servo_node/delta_twist_cmds is silent": 12}
    assert episode.notes == (
        "/servo_node/delta_twist_cmds is silent for up to 0.65 s (after 0.45 s); "
        "the gripper command changes 1 times in such pauses, which no policy can learn",
    )
    lines = describe_left_out([episode])
    assert lines[1].startswith(f"{tmp_path / 'bag'}: 12 of 30 left out") and "0.65 s" in lines[1]


def test_every_reason_is_counted(tmp_path):
    def change(i, stamp):
        return None if i < 3 or i == 12 or i >= 26 else twist(stamp, GOOD)

    events = edited(twists(change), CAMERAS[1], lambda i, e: None if i in (15, 16, 17) else e)
    episode = decode(tmp_path / "bag", events)
    assert left_out_frames([episode, episode]) == {
        "before the first message on /servo_node/delta_twist_cmds": 6,
        "no message on /servo_node/delta_twist_cmds within a period": 2,
        "after the last message on /servo_node/delta_twist_cmds": 8,
        "no sample of wrist in time": 2,
    }
    assert len(episode) + sum(episode.left_out.values()) == FRAMES


def test_a_chunk_does_not_run_across_a_gap(tmp_path):
    events = edited(
        recording(frames=40),
        TWISTS,
        lambda i, e: None if 10 <= i < 13 or i == 20 else twist(stamp_of(e), (0.001 * i, 0, 0, 0, 0, 0)),
    )
    data = Dataset([decode(tmp_path / "bag", events)] * 2)
    actions, exists = data.following(np.array([8, 14, 34, 36 + 8]), 6)
    milli = np.round(1000 * actions[:, :, 0]).astype(int)
    assert exists.tolist() == [
        [True, True, False, False, False, True],
        [True, True, True, False, True, True],
        [True, True, False, False, False, False],
        [True, True, False, False, False, True],
    ]
    assert milli[0].tolist() == [8, 9, 9, 9, 9, 13]
    assert milli[1].tolist() == [17, 18, 19, 19, 21, 22]


def test_a_gripper_that_is_always_at_one_end_is_said_and_other_units_are_refused(tmp_path):
    always = [decode(tmp_path / str(n), grippers(lambda i: numbers(0.0))) for n in range(2)]
    assert gripper_note(always, CONTRACT, Robot()) == (
        "the gripper is always open in all 2 episodes: the policy will never have it closed"
    )
    small = [decode(tmp_path / f"small_{n}", grippers(lambda i: numbers(0.01 if i > 15 else 0.0))) for n in range(2)]
    with pytest.raises(LosslessError, match=r"gripper commands of all 2 episodes \(0 to 0.01\) count as open"):
        gripper_note(small, CONTRACT, Robot())
    both = decode(tmp_path / "both", recording())
    assert gripper_note([*always, both], CONTRACT, Robot()) is None


def test_a_stream_of_another_clock_or_a_slow_joint_is_named(tmp_path):
    ahead = edited(recording(), POSES, lambda i, e: pose(stamp_of(e) + 5 * 10**9))
    with pytest.raises(LosslessError, match="the stamps of /tcp_pose are 5.00 s ahead of those of /front/image_raw"):
        decode(tmp_path / "ahead", ahead)

    unstamped = edited(recording(), POSES, lambda i, e: pose(0))
    with pytest.raises(LosslessError, match="all 30 messages on /tcp_pose are stamped 0 s"):
        decode(tmp_path / "unstamped", unstamped)

    def without_finger(i, event):
        positions = dict(zip(event.msg.name, event.msg.position.tolist(), strict=True))
        return joint_state(stamp_of(event), {n: x for n, x in positions.items() if n != FINGER or i % 3 == 0})

    with pytest.raises(LosslessError, match="finger on /joint_states has 6.7 Hz, contract 'table' needs 20 Hz"):
        decode(tmp_path / "slow", edited(recording(), JOINTS, without_finger))

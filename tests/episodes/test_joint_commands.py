"""Joint velocities of recordings: they become labels by name or order, and what cannot be learned is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossless_ros.contract import JOINTS, Action, Axis, Contract, Gripper, Robot
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.episodes.left_out import gripper_note
from lossless_ros.episodes.reader import read_episode, topic_counts
from lossless_ros.errors import LosslessError
from tests.support import joints
from tests.support.bags import (
    CONTRACT,
    FRAMES,
    GRIPPERS,
    TWISTS,
    Event,
    edited,
    header,
    make,
    numbers,
    recording,
    stamp_of,
    write_bag,
)

VELOCITIES, ECHO = "/velocity_controller/commands", "/inference_node/sent"
AXES = (Axis("elbow", 1.0), Axis("finger", 0.05, prismatic=True))
JOINT_CONTRACT = dataclasses.replace(CONTRACT, action=Action("base_link", AXES, space=JOINTS))
Make = Callable[[int], Any]  # returns the message of the step with this number, None for none


def good(step: int) -> Any:
    return numbers(0.5, 0.01 * (step % 3))


def bag(path: Path, velocities: Make = good, contract: Contract = JOINT_CONTRACT) -> Path:
    """Write a recording with joint velocities in place of twists, and a gripper only if the contract has one."""

    def change(step: int, event: Event) -> Event | None:
        msg = velocities(step)
        return msg and Event(VELOCITIES, "std_msgs/msg/Float64MultiArray", event.logged, msg)

    events = edited(recording(), TWISTS, change)
    if contract.action.gripper is None:
        events = edited(events, GRIPPERS, lambda step, event: None)
    return write_bag(path, events)


def test_joint_velocities_are_the_actions(tmp_path: Path) -> None:
    episode = decode_episodes([bag(tmp_path / "bag")], JOINT_CONTRACT)[0]
    assert episode.left_out == {} and episode.gripper_range is None
    expected = [[0.5, 0.01 * (step % 3)] for step in range(FRAMES)]
    np.testing.assert_allclose(episode.actions, expected, rtol=1e-6)
    assert gripper_note([episode], JOINT_CONTRACT, Robot(gripper=Gripper(0.04, 0.0))) is None


def test_joints_and_a_gripper_are_both_read(tmp_path: Path) -> None:
    action = dataclasses.replace(JOINT_CONTRACT.action, gripper=Gripper(0.0, 0.8))
    contract = dataclasses.replace(JOINT_CONTRACT, action=action)
    episode = read_episode(bag(tmp_path / "bag", contract=contract), contract)
    assert episode.actions.shape == (FRAMES, 3) and episode.fault is None
    assert (episode.actions[:, 2] > 0).tolist() == [step > FRAMES // 2 for step in range(FRAMES)]


def test_twists_without_a_gripper_are_read(tmp_path: Path) -> None:
    contract = dataclasses.replace(CONTRACT, action=dataclasses.replace(CONTRACT.action, gripper=None))
    path = write_bag(tmp_path / "bag", edited(recording(), GRIPPERS, lambda step, event: None))
    assert read_episode(path, contract).actions.shape == (FRAMES, 4)


@pytest.mark.parametrize(
    ("velocities", "message"),
    [
        (lambda i: numbers(0.5, 0.06 if i == 3 else 0.0),
         "1 of 30 commands on /velocity_controller/commands exceed the limits .*up to 0.06 of 0.05 m/s on finger"),
        (lambda i: numbers(0.5), r"commands at \d+ ns: it has 1 velocities, expected 2: elbow, finger"),
        (lambda i: numbers(0.5, 0.0, 0.0), "it has 3 velocities, expected 2"),
        (lambda i: numbers(float("nan"), 0.0), r"commands at \d+ ns: the velocity is not finite"),
        (lambda i: good(i) if i % 2 else None, "/velocity_controller/commands has 10.0 Hz, contract 'table' needs 20"),
        (lambda i: None, "no topic /velocity_controller/commands"),
    ],
    ids=["fast", "few", "many", "nan", "slow", "none"],
)  # fmt: skip
def test_joint_velocities_that_cannot_be_learned_are_refused(tmp_path: Path, velocities: Make, message: str) -> None:
    with pytest.raises(LosslessError, match=message) as caught:
        decode_episodes([bag(tmp_path / "bag", velocities)], JOINT_CONTRACT)
    assert str(caught.value).startswith(str(tmp_path / "bag")) and "\n" not in str(caught.value)


def test_joint_velocities_logged_by_another_clock_than_the_stamps_are_refused(tmp_path: Path) -> None:
    late = [event._replace(logged=event.logged + 10**10) for event in recording()]
    events = edited(late, TWISTS, lambda i, e: Event(VELOCITIES, "std_msgs/msg/Float64MultiArray", e.logged, good(i)))
    fault = read_episode(write_bag(tmp_path / "bag", events), JOINT_CONTRACT).fault
    assert fault and "/velocity_controller/commands are 10.00 s ahead" in fault


@pytest.mark.parametrize("names", [("elbow", "finger"), ("other", "finger", "elbow")])
def test_the_echo_of_the_inference_node_is_read_by_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    values = {"elbow": 0.5, "finger": 0.01, "other": 9.0}

    def echo(step: int, event: Event) -> Event:
        velocities = np.array([values[name] for name in names])
        fields = (header(stamp_of(event)), list(names), np.zeros(0), velocities, np.zeros(0))
        kind = "sensor_msgs/msg/JointState"
        return Event(ECHO, kind, event.logged, make(kind, *fields))

    path = write_bag(tmp_path / "bag", edited(recording(), TWISTS, echo))
    np.testing.assert_allclose(read_episode(path, JOINT_CONTRACT, echoed=True).actions, [[0.5, 0.01]] * FRAMES)
    with pytest.raises(LosslessError, match="no topic /velocity_controller/commands"):
        read_episode(path, JOINT_CONTRACT)
    wrist = dataclasses.replace(JOINT_CONTRACT.action, axes=(Axis("wrist", 1.0),))
    with pytest.raises(LosslessError, match="it has no velocity of wrist; expected those of wrist"):
        read_episode(path, dataclasses.replace(JOINT_CONTRACT, action=wrist), echoed=True)


def test_the_robots_topic_is_read_in_place_of_the_contracts(tmp_path: Path) -> None:
    events = edited(
        recording(), TWISTS, lambda i, e: Event("/arm", "std_msgs/msg/Float64MultiArray", e.logged, good(i))
    )
    robot = Robot(topics={"velocity_controller/commands": "/arm"})
    assert len(read_episode(write_bag(tmp_path / "bag", events), JOINT_CONTRACT, robot).actions) == FRAMES


def test_an_episode_of_joints_is_written_and_read_back(tmp_path: Path) -> None:
    path = joints.record_joints(tmp_path / "episode", seed=3)
    assert topic_counts(path)[VELOCITIES] == "std_msgs/msg/Float64MultiArray, 20 messages"
    assert not {TWISTS, GRIPPERS} & topic_counts(path).keys()
    episode = decode_episodes([path], joints.CONTRACT)[0]
    assert len(episode) == 20 and (np.abs(episode.actions) <= joints.LIMITS * (1 + 1e-6)).all()


def test_frames_without_motion_are_no_ops_where_there_is_no_gripper(tmp_path: Path) -> None:
    path = bag(tmp_path / "bag", lambda step: numbers(0.5 if step < 5 else 0.0, 0.0))
    data = Dataset(decode_episodes([path], JOINT_CONTRACT))
    assert data.filter_noops(np.array([1.0, 0.05]), 0.1).tolist() == [0, 1, 2, 3, 4]

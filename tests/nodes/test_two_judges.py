"""Every kind of recording through both judges: what a bag is accepted or refused for, a live robot is too."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import Pose, PoseStamped
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from lossless_ros.contract import Robot
from lossless_ros.episodes.reader import read_frames
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.inference.observations import ObservationSubscriber
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.streams import stream_type
from tests.support.bags import (
    ARM,
    CAMERAS,
    CONTRACT,
    FINGER,
    FRAMES,
    JOINTS,
    POSES,
    TYPES,
    Event,
    edited,
    header,
    joint_state,
    make,
    pose,
    recording,
    stamp_of,
    write_bag,
)
from tests.support.node_world import NodeWorld
from tests.support.robot_stub import NodeStub, wait_until

CLASSES = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/PoseStamped": PoseStamped,
    "geometry_msgs/msg/Pose": Pose,
    "std_msgs/msg/String": String,
}
Change = Callable[[list[Event]], list[Event]]


class RobotNode(NodeStub):
    """Publishes topics, for their types alone."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("robot", domain_id, namespace)
        self.begin()

    @contextmanager
    def advertise(self, events: list[Event], seen_by: Node) -> Iterator[None]:
        """Publish the topics of a recording; return when another node has seen that they come, and that they go."""
        types = dict.fromkeys((event.topic, event.kind) for event in events if event.kind in CLASSES)
        publishers = [self.node.create_publisher(CLASSES[kind], topic, 10) for topic, kind in types]
        wait_until(lambda: all(seen_by.count_publishers(topic) for topic, _ in types))
        yield
        for publisher in publishers:
            self.node.destroy_publisher(publisher)
        wait_until(lambda: not any(seen_by.count_publishers(topic) for topic, _ in types))


class LiveStub(NodeStub):
    """Takes a recording's messages as the inference node would."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("live", domain_id, namespace)
        self.begin()

    def judge(self, events: list[Event], robot: Robot, publisher: RobotNode) -> tuple[list[Frame], str]:
        """Return the frames, and all that the node reports as wrong with the streams."""
        frames: list[Frame] = []
        observations = ObservationSubscriber(self.node, CONTRACT, robot, "auto", frames.append)
        with publisher.advertise(events, self.node):
            observations.refresh_subscriptions()
            streams = {observations.topic(stream): stream for stream in CONTRACT.streams}
            for event in events:
                stream = streams.get(event.topic)
                if stream and event.kind == stream_type(CONTRACT, stream, event.topic):  # else DDS delivers nothing
                    data = bytes(TYPES.serialize_cdr(event.msg, event.kind))
                    observations.receive(stream, deserialize_message(data, CLASSES[event.kind]))
            report = "; ".join([observations.type_faults(), observations.fault(), observations.silent_topics(60.0)])
        observations.close()
        return frames, report


def joints(change: Callable[[int, dict[str, float]], dict[str, float]]) -> Change:
    """Return a change of the joint states: what a message has in place of these positions."""

    def changed(i: int, event: Event) -> Any:
        positions = dict(zip(event.msg.name, event.msg.position.tolist(), strict=True))
        return joint_state(stamp_of(event), change(i, positions))

    return lambda events: edited(events, JOINTS, changed)


def with_own_finger(events: list[Event], offset_ns: int = 3_000_000) -> list[Event]:
    """Return the recording of an arm and a gripper that publish their joints separately."""
    finger = joints(lambda i, positions: {FINGER: positions[FINGER]})(events)
    own = [e._replace(logged=e.logged + 100, msg=_later(e, offset_ns)) for e in finger if e.topic == JOINTS]
    arm = joints(lambda i, positions: {name: positions[name] for name in ARM})(events)
    return sorted([*arm, *own], key=lambda event: event.logged)


def _later(event: Event, offset_ns: int) -> Any:
    return dataclasses.replace(event.msg, header=header(stamp_of(event) + offset_ns))


def with_foreign_joints(events: list[Event]) -> list[Event]:
    """Return the recording with joint states of another device on the same topic."""
    foreign = [
        e._replace(logged=e.logged + 100, msg=joint_state(stamp_of(e) + 1_000_000, {"lift": 0.5}))
        for e in events
        if e.topic == JOINTS
    ]
    return sorted([*events, *foreign], key=lambda event: event.logged)


def renamed(events: list[Event]) -> list[Event]:
    return joints(lambda i, positions: {f"left_{name}": value for name, value in positions.items()})(events)


def compressed(events: list[Event]) -> list[Event]:
    """Return the recording with the wrist camera's images as PNG, on a topic of another name."""

    def compress(i: int, event: Event) -> Event:
        pixels = event.msg.data.reshape(event.msg.height, event.msg.width, 3)[..., ::-1]
        data = cv2.imencode(".png", pixels)[1].reshape(-1)
        kind = "sensor_msgs/msg/CompressedImage"
        return event._replace(
            topic="/realsense/compressed", kind=kind, msg=make(kind, header(stamp_of(event)), "png", data)
        )

    return edited(events, CAMERAS[1], compress)


def only_compressed(events: list[Event]) -> list[Event]:
    return [
        e._replace(topic=f"{CAMERAS[1]}/compressed") if e.topic == "/realsense/compressed" else e
        for e in compressed(events)
    ]


def other_type(topic: str, kind: str, msg: Any) -> Change:
    return lambda events: edited(events, topic, lambda i, e: e._replace(kind=kind, msg=msg))


def encoded(events: list[Event]) -> list[Event]:
    return edited(events, CAMERAS[0], lambda i, e: dataclasses.replace(e.msg, encoding="32FC1") if i > 7 else e.msg)


def poses(change: Callable[[int], Any]) -> Change:
    return lambda events: edited(events, POSES, lambda i, e: change(stamp_of(e)))


def invalid_pose(stamp: int) -> Any:
    msg = pose(stamp)
    msg.pose.orientation.x = 0.0
    return msg


def lossy(events: list[Event]) -> list[Event]:
    return edited(events, CAMERAS[0], lambda i, e: None if i in (4, 11, 12) else e)


def late_joints(events: list[Event]) -> list[Event]:
    shifted = [e._replace(logged=e.logged + (40_000_000 if e.topic == JOINTS else 0)) for e in events]
    return sorted(shifted, key=lambda event: event.logged)


ALL = (*ARM, FINGER)
ACCEPTED: dict[str, tuple[Change, Robot, int]] = {  # and the number of frames
    "good": (lambda events: events, Robot(), FRAMES),
    "own finger": (with_own_finger, Robot(), FRAMES),
    "foreign joints": (with_foreign_joints, Robot(), FRAMES),
    "own names": (renamed, Robot(joints={name: f"left_{name}" for name in ALL}), FRAMES),
    "compressed topic in the robot's file": (
        compressed, Robot(topics={"wrist/image_raw": "/realsense/compressed"}), FRAMES
    ),
    "only compressed images": (only_compressed, Robot(topics={t[1:]: t for t in CAMERAS}), FRAMES),
    "pose without a frame": (poses(lambda stamp: pose(stamp, "")), Robot(), FRAMES),
    "pose in the robot's frame": (
        poses(lambda stamp: pose(stamp, "world")), Robot(frames={"base_link": "world"}), FRAMES
    ),
    "lost images": (lossy, Robot(), FRAMES - 3),
    "late joints": (late_joints, Robot(), FRAMES),
}  # fmt: skip
REFUSED: dict[str, tuple[Change, Robot, str]] = {  # and what both say
    "pose in another frame": (
        poses(lambda stamp: pose(stamp, "base")), Robot(),
        "it is in frame 'base', expected 'base_link', the frame of the commands",
    ),
    "pose in the contract's frame, not the robot's": (
        poses(pose), Robot(frames={"base_link": "base"}), "it is in frame 'base_link', expected 'base'"
    ),
    "invalid pose": (poses(invalid_pose), Robot(), "tcp_pose is not a valid pose"),
    "joint not finite": (
        joints(lambda i, positions: {**positions, "elbow": float("nan")}), Robot(),
        "the position of elbow is not finite",
    ),
    "joint that never comes": (
        joints(lambda i, positions: {name: positions[name] for name in ARM}), Robot(),
        "no position of finger; it has shoulder, elbow, wrist",
    ),
    "only foreign joints": (
        joints(lambda i, positions: {"lift": 0.0}), Robot(),
        "no position of shoulder, elbow, wrist, finger; it has lift",
    ),
    "encoding": (encoded, Robot(), "encoding '32FC1' is depth or raw data"),
    "pose of another type": (
        other_type(POSES, "geometry_msgs/msg/Pose", pose(0).pose), Robot(),
        "/tcp_pose is geometry_msgs/msg/Pose, expected geometry_msgs/msg/PoseStamped",
    ),
    "joint states of another type": (
        other_type(JOINTS, "std_msgs/msg/String", make("std_msgs/msg/String", "up")), Robot(),
        "/joint_states is std_msgs/msg/String, expected sensor_msgs/msg/JointState",
    ),
    "raw images on the compressed topic": (
        lambda events: edited(events, CAMERAS[1], lambda i, e: e._replace(topic="/wrist/compressed")),
        Robot(topics={"wrist/image_raw": "/wrist/compressed"}),
        "/wrist/compressed is sensor_msgs/msg/Image, expected sensor_msgs/msg/CompressedImage",
    ),
    "typing error in the robot's file": (
        lambda events: events, Robot(topics={"frnt/image_raw": "/front/image_raw"}),
        "hardware: topics: unknown key 'frnt/image_raw'; known: front/image_raw, wrist/image_raw, joint_states",
    ),
}  # fmt: skip
ABSOLUTE = {topic.removeprefix("/"): topic for topic in (*CAMERAS, JOINTS, POSES)}  # the stub has a namespace


def absolute(robot: Robot) -> Robot:
    return dataclasses.replace(robot, topics={**ABSOLUTE, **robot.topics})


@pytest.fixture(scope="module")
def live(make_world: type[NodeWorld]) -> Iterator[Callable[..., tuple[list[Frame], str]]]:
    """Return the live judge."""
    world = make_world()
    node, robot_node = world.stub(LiveStub), world.stub(RobotNode)
    yield lambda events, robot: node.judge(events, robot, robot_node)
    world.close()


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_a_bag_is_accepted_for_gives_the_same_frames_live(live: Any, tmp_path: Path, name: str) -> None:
    change, robot, count = ACCEPTED[name]
    events = change(recording())
    recorded = read_frames(write_bag(tmp_path / "bag", events), CONTRACT, absolute(robot))
    frames, report = live(events, absolute(robot))
    assert len(frames) == len(recorded) == count, report
    for ours, theirs in zip(frames, recorded, strict=True):
        assert (ours.stamp, ours.stamps) == (theirs.stamp, theirs.stamps)
        np.testing.assert_array_equal(ours.proprioception, theirs.proprioception)
        np.testing.assert_array_equal(ours.images, theirs.images)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_bag_is_refused_for_is_reported_live_in_the_same_words(live: Any, tmp_path: Path, name: str) -> None:
    change, robot, message = REFUSED[name]
    events = change(recording())
    with pytest.raises(LosslessError) as refused:
        read_frames(write_bag(tmp_path / "bag", events), CONTRACT, absolute(robot))
    assert message in str(refused.value)
    try:
        frames, report = live(events, absolute(robot))
    except LosslessError as error:
        frames, report = [], str(error)
    assert message in report
    assert len(frames) < FRAMES

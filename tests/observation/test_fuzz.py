"""Mutated messages and bytes: every one is used or refused, none raises anything else. LOSSLESS_FUZZ sets how many."""

import copy
import math
import os
import random
from dataclasses import fields, is_dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import Contract, Robot
from lossless_ros.contract.config import from_mapping
from lossless_ros.errors import DataError
from lossless_ros.observation.frames import Aligner
from lossless_ros.observation.messages import decode, stamp_ns

NUMBER = int(os.environ.get("LOSSLESS_FUZZ", "2000"))  # per type and kind; 10000 take a minute
TYPES = get_typestore(Stores.ROS2_JAZZY)
T = TYPES.types
JOINTS = ("shoulder", "elbow")
CONTRACT = from_mapping(
    Contract,
    {
        "name": "fuzz",
        "rate_hz": 20,
        "cameras": [{"name": "front", "width": 8, "height": 6}, {"name": "wrist", "width": 6, "height": 8}],
        "proprioception": [{"stream": "joint_states", "names": list(JOINTS)}, {"stream": "tcp_pose"}],
        "action": {"frame_id": "base", "axes": [], "gripper": {"open": 0.0, "closed": 1.0}},
    },
    "contract",
)
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, 10**9, math.nan, math.inf, -math.inf, 1e300, -0.0, 0.5)
TEXTS = (
    "",
    "rgb8",
    "mono8",
    "bayer_rggb8",
    "nv12",
    "yuv422",
    "16UC1",
    "jpeg",
    "x" * 5000,
    "a\x00b",
    "\x1b[2J",
    "é\n",
    "..",
)


def header(ns: int) -> Any:
    stamp = T["builtin_interfaces/msg/Time"](ns // 10**9, ns % 10**9)
    return T["std_msgs/msg/Header"](stamp, "base")


def valid(kind: str, ns: int) -> Any:
    """Return a good message of a type."""
    image = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3)
    if kind == "sensor_msgs/msg/Image":
        return T[kind](header(ns), 6, 8, "rgb8", 0, 24, image.reshape(-1))
    if kind == "sensor_msgs/msg/CompressedImage":
        return T[kind](header(ns), "jpeg", cv2.imencode(".jpg", image)[1].reshape(-1))
    if kind == "sensor_msgs/msg/JointState":
        return T[kind](header(ns), list(JOINTS), np.array([0.1, 0.2]), np.zeros(2), np.zeros(0))
    point, quaternion = (
        T["geometry_msgs/msg/Point"](0.5, 0.0, 0.2),
        T["geometry_msgs/msg/Quaternion"](0.0, 1.0, 0.0, 0.0),
    )
    return T[kind](header(ns), T["geometry_msgs/msg/Pose"](point, quaternion))


STREAMS = {
    "sensor_msgs/msg/Image": "front",
    "sensor_msgs/msg/CompressedImage": "wrist",
    "sensor_msgs/msg/JointState": "joint_states",
    "geometry_msgs/msg/PoseStamped": "tcp_pose",
}


def mutate(value: Any, rng: random.Random) -> Any:
    """Return a value of the same type, or a message with one field mutated in place."""
    if is_dataclass(value):
        field = rng.choice([f.name for f in fields(value) if not f.name.startswith("__")])
        object.__setattr__(value, field, mutate(getattr(value, field), rng))
        return value
    if isinstance(value, str):
        return rng.choice(TEXTS)
    if isinstance(value, np.ndarray):
        resized = np.resize(value, rng.choice([0, 1, 2, 3, len(value), len(value) + 1, 1000])) if len(value) else value
        changed = resized.copy()
        if len(changed):
            number = rng.choice(NUMBERS)
            is_float = changed.dtype.kind == "f"
            changed[rng.randrange(len(changed))] = number if is_float else rng.randrange(256)
        return changed
    if isinstance(value, list):
        changed = [rng.choice([item, *TEXTS]) for item in value]
        return rng.choice([changed, changed * 2, changed[1:], []])
    return rng.choice(NUMBERS) if isinstance(value, float) else int(rng.choice([n for n in NUMBERS if n == n // 1]))


class Receiver:
    """What the node and the reader do with a message."""

    def __init__(self) -> None:
        self.aligner = Aligner(CONTRACT)
        self.used = self.refused = 0

    def take(self, stream: str, msg: Any) -> None:
        try:
            sample = decode(CONTRACT, Robot(), stream, msg)
        except DataError as error:
            assert "\n" not in str(error)
            self.refused += 1
            return
        self.used += 1
        for frame in self.aligner.push(stream, stamp_ns(msg), sample):
            assert np.isfinite(frame.proprioception).all()
            assert [image.shape for image in frame.images] == [(6, 8, 3), (8, 6, 3)]


@pytest.mark.parametrize("kind", STREAMS)
def test_mutated_messages_are_used_or_refused(kind: str) -> None:
    rng, receiver = random.Random(kind), Receiver()
    for index in range(NUMBER):
        for other, stream in STREAMS.items():  # good ones between them: a frame is built from what was let through
            if index % 10 == 0:
                receiver.take(stream, valid(other, index * 50_000_000))
        msg = valid(kind, index * 50_000_000)
        for _ in range(rng.choice([1, 1, 2, 4])):
            mutate(msg, rng)
        receiver.take(STREAMS[kind], copy.copy(msg))
    assert receiver.used and receiver.refused


@pytest.mark.parametrize("kind", STREAMS)
def test_mutated_bytes_are_used_or_refused(kind: str) -> None:
    rng, receiver, unreadable = random.Random(kind), Receiver(), 0
    good = bytes(TYPES.serialize_cdr(valid(kind, 10**9), kind))
    for _ in range(NUMBER):
        data = bytearray(good)
        for _ in range(rng.choice([1, 2, 8])):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        data = data[: rng.choice([len(data), len(data), rng.randrange(4, len(data))])]
        try:
            msg = TYPES.deserialize_cdr(bytes(data), kind)
        except Exception:  # the reader and rclpy raise as many types
            unreadable += 1
            continue
        receiver.take(STREAMS[kind], msg)
    assert receiver.used and unreadable

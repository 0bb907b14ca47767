"""Read a rosbag2 folder into frames and actions, with the same decoding and alignment as live topics."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import GRIPPER_TOPIC, TWIST_TOPIC, Contract, Robot
from lossless_ros.episodes.object_poses import OBJECT_POSES, align_object_poses, read_object_poses
from lossless_ros.errors import DataError, LosslessError
from lossless_ros.observation.frames import Aligner, Frame
from lossless_ros.observation.messages import decode, stamp_ns
from lossless_ros.observation.timing import timing_fault

INFO_KEY = "lossless"  # key of the episode's JSON in metadata.yaml's custom_data
_TYPES = get_typestore(Stores.ROS2_JAZZY)


@dataclass(frozen=True)
class Episode:
    """Frames of a bag, their actions, and in simulation the objects' poses.

    Attributes:
        path: the rosbag2 folder.
        info: what the collector stored: task, seed, domain, success, ...; empty for other bags.
        frames: what a policy observes, T frames.
        image_files: per camera the T compressed images of the frames as the bag has them, None if it has raw images.
        actions: (T, dim) float32: m/s, rad/s, gripper -1 or +1.
        timing_fault: why the streams do not meet the contract; None if they do.
        object_poses: (T, 3, 7) float64 true poses of the red, green and blue object in the base frame: x, y, z [m],
            qx, qy, qz, qw; None if the bag has no such topic. No policy gets them.
    """

    path: Path
    info: dict[str, Any]
    frames: list[Frame]
    image_files: tuple[list[bytes] | None, ...]
    actions: np.ndarray
    timing_fault: str | None = None
    object_poses: np.ndarray | None = None


def find_episodes(folders: list[Path]) -> list[Path]:
    """Return all rosbag2 folders in `folders` (themselves or one level below), sorted by name.

    Raises:
        LosslessError: a folder does not exist or holds no episode.
    """
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise LosslessError(f"no such folder: {folder} (expected episodes as written by lossless collect)")
        bags = [folder] if (folder / "metadata.yaml").is_file() else sorted(folder.glob("*/metadata.yaml"))
        if not bags:
            raise LosslessError(f"no rosbag2 folder in {folder} (looked for metadata.yaml in it and one level below)")
        found += [bag if bag.is_dir() else bag.parent for bag in bags]
    return found


def read_info(path: Path) -> dict[str, Any]:
    """Return the JSON that the collector stored with an episode; empty without one."""
    with _reading(path) as reader:
        return _info(reader)


def topic_counts(path: Path) -> dict[str, str]:
    """Return type and message count of each topic of a bag."""
    with _reading(path) as reader:
        return {c.topic: f"{c.msgtype}, {c.msgcount} messages" for c in reader.connections}


def read_serialized(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield (topic without the leading slash, log time [ns], CDR bytes) of all messages in the bag's order."""
    with _reading(path) as reader:
        for connection, time, data in reader.messages():
            yield connection.topic.removeprefix("/"), time, bytes(data)


def read_messages(path: Path, topics: set[str]) -> Iterator[tuple[str, int, Any]]:
    """Yield (topic without the leading slash, log time [ns], message) in the bag's order.

    Raises:
        LosslessError: the bag lacks a topic or cannot be read.
    """
    with _reading(path) as reader:
        connections = [c for c in reader.connections if c.topic.removeprefix("/") in topics]
        missing = sorted(topics - {c.topic.removeprefix("/") for c in connections})
        if missing:
            present = ", ".join(sorted(c.topic for c in reader.connections))
            raise LosslessError(f"{path}: no topic {', '.join('/' + m for m in missing)}; the bag has {present}")
        for connection, time, data in reader.messages(connections):
            yield connection.topic.removeprefix("/"), time, _TYPES.deserialize_cdr(data, connection.msgtype)


def read_episode(path: Path, contract: Contract, robot: Robot | None = None) -> Episode:
    """Read the episode in the rosbag2 folder `path` under a contract.

    A frame's action is the first twist stamped within one period after the frame; frames without one (after the last
    command) are left out. Gripper commands have no stamp: the latest one logged by then is used. If only a camera's
    compressed topic was recorded, it is read from that.

    Raises:
        LosslessError: missing topic, unusable message, a frame without object poses in a bag that has their topic, or a
            bag that cannot be read.
    """
    robot = robot or Robot()
    present = {topic.removeprefix("/") for topic in topic_counts(path)}
    streams = _streams(present, contract, robot)
    twist_topic, gripper_topic = (robot.topic(t).removeprefix("/") for t in (TWIST_TOPIC, GRIPPER_TOPIC))
    aligner = Aligner(contract)
    frames: list[Frame] = []
    stamps: dict[str, list[int]] = {f"/{topic}": [] for topic in streams}
    twists: list[tuple[int, int, list[float]]] = []
    grippers: list[tuple[int, float]] = []
    object_poses: dict[int, np.ndarray] = {}
    files: dict[tuple[str, int], bytes] = {}  # of compressed images, by stream and stamp
    topics = {*streams, twist_topic, gripper_topic} | ({OBJECT_POSES} & present)
    for topic, time, msg in read_messages(path, topics):
        if topic == twist_topic:
            twists.append((stamp_ns(msg), time, _axes(contract, msg)))
        elif topic == gripper_topic:
            grippers.append((time, (robot.gripper or contract.action.gripper).action(float(msg.data[0]))))
        else:
            try:
                if topic == OBJECT_POSES:
                    object_poses[stamp_ns(msg)] = read_object_poses(msg)
                    continue
                sample = decode(contract, robot, streams[topic], msg)
            except DataError as error:
                raise LosslessError(f"{path}: /{topic} at {stamp_ns(msg)} ns: {error}") from None
            if hasattr(msg, "format"):
                files.setdefault((streams[topic], stamp_ns(msg)), bytes(msg.data))
            stamps[f"/{topic}"].append(stamp_ns(msg))
            frames += aligner.push(streams[topic], stamp_ns(msg), sample)
    pairs = list(_with_actions(frames, sorted(twists), sorted(grippers), contract.period_ns))
    actions = np.array([action for _, action in pairs], np.float32).reshape(len(pairs), contract.action.dim)
    frames = [frame for frame, _ in pairs]
    poses = _align_object_poses(path, object_poses, frames) if OBJECT_POSES in present else None
    image_files = tuple(_image_files(files, camera.name, frames) for camera in contract.cameras)
    return Episode(path, read_info(path), frames, image_files, actions, timing_fault(contract, stamps), poses)


def _image_files(files: dict[tuple[str, int], bytes], camera: str, frames: list[Frame]) -> list[bytes] | None:
    """Return the compressed images of a camera at the frames, None if they are raw."""
    found = [files.get((camera, frame.stamps[camera])) for frame in frames]
    return [file for file in found if file is not None] if None not in found else None


def _align_object_poses(path: Path, poses: dict[int, np.ndarray], frames: list[Frame]) -> np.ndarray:
    try:
        return align_object_poses(poses, [frame.stamp for frame in frames])
    except DataError as error:
        raise LosslessError(f"{path}: /{OBJECT_POSES}: {error}") from None


def _streams(present: set[str], contract: Contract, robot: Robot) -> dict[str, str]:
    """Return the contract's streams by the bag's topic, one of `present`."""
    streams = {}
    for stream in contract.streams:
        topic = robot.topic(contract.topic(stream)).removeprefix("/")
        compressed = f"{topic}/compressed"
        streams[compressed if topic not in present and compressed in present else topic] = stream
    return streams


def _with_actions(
    frames: list[Frame],
    twists: list[tuple[int, int, list[float]]],
    grippers: list[tuple[int, float]],
    period: int,
) -> Iterator[tuple[Frame, list[float]]]:
    """Yield frames with their actions."""
    i = j = 0
    gripper = -1.0
    for frame in frames:
        while i < len(twists) and twists[i][0] < frame.stamp:
            i += 1
        if i == len(twists) or twists[i][0] >= frame.stamp + period:
            continue
        _, time, axes = twists[i]
        while j < len(grippers) and grippers[j][0] <= time + period // 4:
            gripper = grippers[j][1]
            j += 1
        yield frame, [*axes, gripper]


def _axes(contract: Contract, msg: Any) -> list[float]:
    values = []
    for axis in contract.action.axes:
        part, name = axis.axis.split(".")
        values.append(float(getattr(getattr(msg.twist, part), name)))
    return values


def _info(reader: Reader) -> dict[str, Any]:
    text = (reader.storage.metadata.custom or {}).get(INFO_KEY, "{}")
    return json.loads(text)


class _reading:
    """An open bag; every failure to read it (truncated, no bag, unknown storage) becomes a one-line error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Reader:
        try:
            self.reader = Reader(self.path)
            self.reader.open()
        except Exception as error:  # rosbags raises many kinds on damaged files
            raise self._unreadable(error) from None
        return self.reader

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.reader.close()
        if isinstance(error, Exception) and not isinstance(error, LosslessError):
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> LosslessError:
        why = " ".join(str(error).split()) or type(error).__name__
        return LosslessError(f"{self.path} cannot be read as a rosbag2 folder (truncated or damaged?): {why}")

"""Read a rosbag2 folder into frames and actions, with the same decoding and alignment as live topics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.bag import METADATA, STORAGE_SUFFIXES, Bag, Topic, bag_files, missing_metadata
from lossless_ros.episodes.command_topics import CommandTopics
from lossless_ros.episodes.object_poses import OBJECT_POSES, align_object_poses, read_object_poses
from lossless_ros.episodes.recorded_commands import RecordedCommands
from lossless_ros.episodes.recorded_observations import RecordedObservations
from lossless_ros.errors import DataError, LosslessError
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.messages import check_frame_id, stamp_ns
from lossless_ros.observation.streams import type_fault
from lossless_ros.observation.timing import clock_fault

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
        fault: why streams or commands do not meet the contract; None if they do.
        object_poses: (T, 3, 7) float64 true poses of the red, green and blue object in the base frame: x, y, z [m],
            qx, qy, qz, qw; None if the bag has no such topic. No policy gets them.
        left_out: number of frames that are not in `frames`, by reason.
        notes: on what was left out, one line each.
        gripper_range: lowest and highest gripper command; None without a gripper.
    """

    path: Path
    info: dict[str, Any]
    frames: list[Frame]
    image_files: tuple[list[bytes] | None, ...]
    actions: np.ndarray
    fault: str | None = None
    object_poses: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gripper_range: tuple[float, float] | None = None


def find_episodes(folders: list[Path]) -> list[Path]:
    """Return all rosbag2 folders in `folders` (themselves or one level below), sorted by name.

    A single .mcap or .db3 file is an episode too.

    Raises:
        LosslessError: a folder does not exist or holds no episode, or an episode would be left out: it has no
            metadata.yaml, or lies further below.
    """
    found = []
    for folder in folders:
        if folder.is_file() and folder.suffix in STORAGE_SUFFIXES:
            found.append(folder)
            continue
        if not folder.is_dir():
            raise LosslessError(f"no such folder: {folder} (expected episodes as written by lossless collect)")
        bags = [folder] if _is_bag(folder) else _bags_below(folder)
        if not bags:
            raise LosslessError(f"no rosbag2 folder in {folder} (looked for {METADATA} in it and one level below)")
        unfinished = [bag for bag in bags if not (bag / METADATA).is_file()]
        if unfinished:
            more = f"; {len(unfinished)} of {len(bags)} folders have none" if len(unfinished) > 1 else ""
            raise LosslessError(missing_metadata(unfinished[0]) + more)
        found += bags
    return found


def _bags_below(folder: Path) -> list[Path]:
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    bags = [path for path in below if _is_bag(path)]
    for path in below:
        if path not in bags and (deeper := sorted(path.glob(f"*/{METADATA}"))):
            raise LosslessError(f"{path} holds {len(deeper)} rosbag2 folders; give {path} too, or move it away")
    return bags


def _is_bag(folder: Path) -> bool:
    return (folder / METADATA).is_file() or bool(bag_files(folder))


def read_info(path: Path) -> dict[str, Any]:
    """Return the JSON that the collector stored with an episode; empty without one."""
    with Bag(path) as bag:
        return bag.info


def topic_counts(path: Path) -> dict[str, str]:
    """Return type and message count of each topic of a bag."""
    with Bag(path) as bag:
        return {t.name: f"{' and '.join(t.types)}, {t.count} messages" for t in bag.topics.values()}


def read_serialized(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield (topic without the leading slash, log time [ns], CDR bytes) of all messages in the bag's order."""
    with Bag(path) as bag:
        for topic, _, time, data in bag.messages():
            yield topic, time, data


def read_messages(
    path: Path, topics: set[str], types: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int, Any]]:
    """Yield (topic without the leading slash, log time [ns], message) in the bag's order.

    Args:
        path: the bag.
        topics: those to read, without the leading slash.
        types: the message types that some of them must have.

    Raises:
        LosslessError: the bag lacks a topic, a topic has another type, or the bag cannot be read.
    """
    with Bag(path) as bag:
        yield from _messages(bag, topics, types or {})


def _messages(bag: Bag, topics: set[str], types: Mapping[str, str]) -> Iterator[tuple[str, int, Any]]:
    """Yield the messages of an open bag, see `read_messages`."""
    _check_topics(bag.path, bag.topics, topics, types)
    for topic, kind, time, data in bag.messages(topics):
        try:
            msg = _TYPES.deserialize_cdr(data, kind)
        except Exception as error:  # rosbags raises many types on damaged messages
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
            raise LosslessError(f"{bag.path}: a message on /{topic} cannot be read ({why})") from None
        yield topic, time, msg


def _check_topics(path: Path, present: Mapping[str, Topic], topics: set[str], types: Mapping[str, str]) -> None:
    missing = sorted(topics - set(present))
    if missing:
        known = ", ".join(sorted(topic.name for topic in present.values()))
        raise LosslessError(f"{path}: no topic {', '.join('/' + m for m in missing)}; the bag has {known}")
    for topic, expected in types.items():
        fault = type_fault(f"/{topic}", present[topic].types, expected)
        if fault:
            raise LosslessError(f"{path}: {fault}")


def read_frames(path: Path, contract: Contract, robot: Robot | None = None) -> list[Frame]:
    """Read the frames of a recording under a contract; it needs no commands.

    Raises:
        LosslessError: as for `read_episode`.
    """
    robot = robot or Robot()
    with Bag(path) as bag:
        observations = RecordedObservations(contract, robot, bag.topics)
        for topic, time, msg in _messages(bag, set(observations.topics), observations.topics):
            with _named(path, topic, time, msg):
                observations.add(topic, time, msg)
    _check_complete(path, observations)
    return observations.frames


def read_episode(path: Path, contract: Contract, robot: Robot | None = None, echoed: bool = False) -> Episode:
    """Read the episode in the rosbag2 folder `path` under a contract.

    A frame's action is the first arm command stamped within one period after the frame; joint velocities have no stamp:
    the time at which they were logged counts. Frames without one (after the last command, in pauses) and those before
    the first gripper command are left out and counted. If only a camera's
    compressed topic was recorded, it is read from that.

    Args:
        path: the bag.
        contract: what a frame and its action are.
        robot: who recorded it.
        echoed: where the bag lacks the robot's command topics, take what the inference node says that it sent, or would
            have sent in a dry run.

    Raises:
        LosslessError: missing topic, unusable message, a frame without object poses in a bag that has their topic, or a
            bag that cannot be read.
    """
    robot = robot or Robot()
    object_poses: dict[int, np.ndarray] = {}
    with Bag(path) as bag:
        present, info = bag.topics, bag.info
        observations = RecordedObservations(contract, robot, present)
        own = CommandTopics.of(contract, robot)
        commands = RecordedCommands(contract, robot, own.or_echoes(present) if echoed else own)
        types = {**observations.topics, **commands.topics.types}
        for topic, time, msg in _messages(bag, {*types} | ({OBJECT_POSES} & set(present)), types):
            with _named(path, topic, time, msg):
                if topic == OBJECT_POSES:
                    check_frame_id(msg, contract.action.frame_id)
                    object_poses[stamp_ns(msg)] = read_object_poses(msg)
                elif topic in commands.topics.types:
                    commands.add(topic, time, msg)
                else:
                    observations.add(topic, time, msg)
    _check_complete(path, observations)
    labeled = commands.label(observations.frames)
    poses = _align_object_poses(path, object_poses, labeled.frames) if OBJECT_POSES in present else None
    return Episode(
        path=path,
        info=info,
        frames=labeled.frames,
        image_files=observations.image_files(labeled.frames),
        actions=labeled.actions,
        fault=observations.fault() or commands.fault() or clock_fault({**observations.delays, **commands.delays}),
        object_poses=poses,
        left_out={**observations.dropped, **labeled.left_out},
        notes=labeled.notes,
        gripper_range=commands.gripper_range,
    )


def check_frames(episode: Episode, contract: Contract) -> None:
    """Check that there is a frame with an action.

    Raises:
        LosslessError: there is none; the message says why each was left out.
    """
    if not episode.frames:
        reasons = "; ".join(f"{reason}: {count}" for reason, count in episode.left_out.items())
        raise LosslessError(
            f"{episode.path}: no frame of contract '{contract.name}' with an action ({reasons or 'no frames at all'})"
        )


def _check_complete(path: Path, observations: RecordedObservations) -> None:
    observations.finish()
    missing = observations.missing()
    if missing:
        raise LosslessError(f"{path}: {missing}")


def _align_object_poses(path: Path, poses: dict[int, np.ndarray], frames: list[Frame]) -> np.ndarray:
    try:
        return align_object_poses(poses, [frame.stamp for frame in frames])
    except DataError as error:
        raise LosslessError(f"{path}: /{OBJECT_POSES}: {error}") from None


class _named:
    """Names bag, topic and time in the error for a message that cannot be used."""

    def __init__(self, path: Path, topic: str, logged: int, msg: Any) -> None:
        self._where, self._logged, self._msg = f"{path}: /{topic}", logged, msg

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DataError):
            at = stamp_ns(self._msg) if hasattr(self._msg, "header") else self._logged
            raise LosslessError(f"{self._where} at {at} ns: {error}") from None

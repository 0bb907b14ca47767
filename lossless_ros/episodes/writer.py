"""Write an episode as a rosbag2 folder (MCAP) with the robot's topics and messages."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer

from lossless_ros.contract import JOINT_STATES, Contract
from lossless_ros.episodes.bag import INFO_KEY
from lossless_ros.episodes.image_formats import check_image_format
from lossless_ros.episodes.sim_messages import (
    JOINT_NAMES,
    PRIVILEGED_TYPES,
    TYPES,
    Messages,
    action_messages,
    image_messages,
    message_types,
    observation_messages,
    privileged_messages,
    serialize,
)
from lossless_ros.errors import LosslessError
from lossless_ros.files import temporary_path

SENSOR_TOPICS = ("image_raw", "image_raw/compressed", JOINT_STATES)
METADATA_VERSION: Literal[8] = 8  # read by rosbag2 from Humble on
_FOREVER = QosTime(9223372036, 854775807)  # how rosbag2 writes "no limit"


class EpisodeWriter:
    """Writes under a temporary name and renames it to `path` in `close`, so that `path` is always a whole episode.

    Args:
        path: the rosbag2 folder to write.
        contract: names the topics.
        image_format: one of IMAGE_FORMATS.
        privileged: whether the episode gets what only a simulator knows, see `observe_privileged`.
        joint_names: of the robot, the gripper's last.

    Raises:
        LosslessError: unknown image format, `path` exists, or its folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        image_format: str = "raw",
        privileged: bool = False,
        joint_names: Sequence[str] = JOINT_NAMES,
    ) -> None:
        check_image_format(image_format)
        if path.exists():
            raise LosslessError(f"{path} exists already; give another folder or remove it")
        self.path = path
        self.contract = contract
        self.image_format = image_format
        self.privileged = privileged
        self._joint_names = joint_names
        self._part = temporary_path(path)
        shutil.rmtree(self._part, ignore_errors=True)
        self._writer = Writer(self._part / path.name, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer.open()
        except OSError as error:
            raise LosslessError(f"cannot write into {path.parent}: {error.strerror}") from None
        types = message_types(contract, image_format) | (PRIVILEGED_TYPES if privileged else {})
        self._connections = {
            topic: self._writer.add_connection(
                f"/{topic}", kind, typestore=TYPES, offered_qos_profiles=[_qos(topic.endswith(SENSOR_TOPICS))]
            )
            for topic, kind in types.items()
        }

    def observe(self, stamp: int, observation: dict[str, np.ndarray]) -> None:
        """Write cameras, joint states and tool pose of one instant (stamp [ns]; observation as of the simulator)."""
        messages = observation_messages(self.contract, stamp, observation, self.image_format, self._joint_names)
        self._write(stamp, messages)

    def observe_images(self, stamp: int, images: Mapping[str, np.ndarray]) -> None:
        """Write only the cameras of one instant (stamp [ns]), RGB (H, W, 3) uint8 by camera."""
        self._write(stamp, image_messages(self.contract, stamp, images, self.image_format))

    def copy(self, topic: str, stamp: int, data: bytes) -> None:
        """Write a message of another bag: its CDR bytes on a relative topic, logged at `stamp` [ns].

        Raises:
            LosslessError: this episode does not have the topic.
        """
        if topic not in self._connections:
            raise LosslessError(f"/{topic} is no topic of a simulated episode")
        self._write_serialized(topic, stamp, data)

    def observe_privileged(self, stamp: int, poses: Mapping[str, np.ndarray], qpos: np.ndarray) -> None:
        """Write what only the simulator knows at the frame of that stamp.

        Args:
            stamp: of the frame [ns].
            poses: true poses (7,) x, y, z [m], qx, qy, qz, qw of the objects by color.
            qpos: MuJoCo's generalized positions (nq,).
        """
        self._write(stamp, privileged_messages(self.contract, stamp, poses, qpos))

    def act(self, stamp: int, action: np.ndarray) -> None:
        """Write the action (dim,) for the observation of that stamp, as the contract's commands."""
        self._write(stamp, action_messages(self.contract, stamp, action))

    def close(self, info: dict[str, Any]) -> Path:
        """Finish the episode with its JSON-serializable `info` and move it to `path`."""
        self._writer.set_custom_data(INFO_KEY, json.dumps(info, sort_keys=True))
        try:
            self._writer.close()
            os.rename(self._part / self.path.name, self.path)
            self._part.rmdir()
        except OSError as error:
            self.abort()
            raise LosslessError(f"cannot write {self.path}: {error.strerror}") from None
        return self.path

    def abort(self) -> None:
        """Discard the episode."""
        self._writer.abort()
        shutil.rmtree(self._part, ignore_errors=True)

    def __enter__(self) -> "EpisodeWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.path.exists():
            self.abort()

    def _write(self, stamp: int, messages: Messages) -> None:
        for topic, msg in messages.items():
            self._write_serialized(topic, stamp, serialize(msg))

    def _write_serialized(self, topic: str, stamp: int, data: bytes) -> None:
        try:
            self._writer.write(self._connections[topic], stamp, data)
        except OSError as error:
            raise LosslessError(f"cannot write {self.path}: {error.strerror}") from None


def _qos(best_effort: bool) -> Qos:
    """Return the QoS of a topic: best effort for sensor data, reliable for the rest."""
    reliability = QosReliability.BEST_EFFORT if best_effort else QosReliability.RELIABLE
    history, durability = QosHistory.KEEP_LAST, QosDurability.VOLATILE
    return Qos(history, 10, reliability, durability, _FOREVER, _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER, False)

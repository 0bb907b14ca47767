"""Writes an episode as a rosbag2 folder (MCAP) with the robot's own topics and messages."""

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import GRIPPER_TOPIC, JOINT_STATES, TCP_POSE, TWIST_TOPIC, Contract
from lossless_ros.errors import LosslessError

INFO_KEY = "lossless"  # key of the episode's JSON in metadata.yaml's custom_data
METADATA_VERSION = 8  # read by rosbag2 from Humble on
_TYPES = get_typestore(Stores.ROS2_JAZZY)
_FOREVER = QosTime(2147483647, 4294967295)


class EpisodeWriter:
    """Writes beside `path` and moves there in `close`, so that a folder at `path` is always a whole episode.

    Raises:
        LosslessError: something is at `path` already, or its folder cannot be written.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        if path.exists():
            raise LosslessError(f"{path} exists already; give another folder or remove it")
        self.path = path
        self._contract = contract
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        shutil.rmtree(self._part, ignore_errors=True)
        self._writer = Writer(self._part, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer.open()
        except OSError as error:
            raise LosslessError(f"cannot write into {path.parent}: {error.strerror}") from None
        best_effort = _qos(QosReliability.BEST_EFFORT)
        reliable = _qos(QosReliability.RELIABLE)
        topics = {camera.topic: ("sensor_msgs/msg/Image", best_effort) for camera in contract.cameras}
        topics[JOINT_STATES] = ("sensor_msgs/msg/JointState", best_effort)
        topics[TCP_POSE] = ("geometry_msgs/msg/PoseStamped", reliable)
        topics[TWIST_TOPIC] = ("geometry_msgs/msg/TwistStamped", reliable)
        topics[GRIPPER_TOPIC] = ("std_msgs/msg/Float64MultiArray", reliable)
        self._connections = {
            name: self._writer.add_connection(f"/{name}", kind, typestore=_TYPES, offered_qos_profiles=[qos])
            for name, (kind, qos) in topics.items()
        }

    def observe(self, stamp: int, observation: dict[str, np.ndarray]) -> None:
        """Write cameras, joint states and tool pose of one instant (stamp [ns]; observation as of the simulator)."""
        frame_id = self._contract.action.frame_id
        for camera in self._contract.cameras:
            self._write(camera.topic, stamp, _image(stamp, camera.name, observation[camera.name]))
        self._write(JOINT_STATES, stamp, _joint_state(stamp, observation))
        self._write(TCP_POSE, stamp, _pose(stamp, frame_id, observation["tcp_pose"]))

    def act(self, stamp: int, action: np.ndarray) -> None:
        """Write the command (dim,) that answers the observation of that stamp: twist, and gripper [rad]."""
        spec = self._contract.action
        self._write(TWIST_TOPIC, stamp, _twist(stamp, spec.frame_id, dict(zip(spec.names, action, strict=True))))
        self._write(GRIPPER_TOPIC, stamp, _multi_array([spec.gripper.command(float(action[-1]))]))

    def close(self, info: dict[str, Any]) -> Path:
        """Finish the episode with its JSON-able `info` and move it to `path`."""
        self._writer.set_custom_data(INFO_KEY, json.dumps(info, sort_keys=True))
        try:
            self._writer.close()
            os.rename(self._part, self.path)
        except OSError as error:
            self.abort()
            raise LosslessError(f"cannot write {self.path}: {error.strerror}") from None
        return self.path

    def abort(self) -> None:
        """Leave nothing behind."""
        self._writer.abort()
        shutil.rmtree(self._part, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.path.exists():
            self.abort()

    def _write(self, topic: str, stamp: int, msg: Any) -> None:
        connection = self._connections[topic]
        try:
            self._writer.write(connection, stamp, _TYPES.serialize_cdr(msg, connection.msgtype))
        except OSError as error:
            raise LosslessError(f"cannot write {self.path}: {error.strerror}") from None


def _qos(reliability: QosReliability) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        10,
        reliability,
        QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


def _type(name: str) -> Any:
    return _TYPES.types[name]


def _header(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = _type("builtin_interfaces/msg/Time")(seconds, nanoseconds)
    return _type("std_msgs/msg/Header")(time, frame_id)


def _image(stamp: int, camera: str, rgb: np.ndarray) -> Any:
    height, width = rgb.shape[:2]
    data = np.ascontiguousarray(rgb).reshape(-1)
    return _type("sensor_msgs/msg/Image")(_header(stamp, camera), height, width, "rgb8", 0, 3 * width, data)


def _joint_state(stamp: int, observation: dict[str, np.ndarray]) -> Any:
    kinds = ("position", "velocity", "effort")
    values = (np.concatenate([observation[f"joint_{k}"], observation[f"gripper_{k}"]]) for k in kinds)
    return _type("sensor_msgs/msg/JointState")(_header(stamp, ""), list(JOINT_NAMES), *map(np.float64, values))


def _pose(stamp: int, frame_id: str, pose: np.ndarray) -> Any:
    x, y, z, qx, qy, qz, qw = map(float, pose)
    position = _type("geometry_msgs/msg/Point")(x, y, z)
    orientation = _type("geometry_msgs/msg/Quaternion")(qx, qy, qz, qw)
    inner = _type("geometry_msgs/msg/Pose")(position, orientation)
    return _type("geometry_msgs/msg/PoseStamped")(_header(stamp, frame_id), inner)


def _twist(stamp: int, frame_id: str, values: dict[str, float]) -> Any:
    vector = _type("geometry_msgs/msg/Vector3")
    parts = (vector(*(float(values.get(f"{part}.{a}", 0)) for a in "xyz")) for part in ("linear", "angular"))
    inner = _type("geometry_msgs/msg/Twist")(*parts)
    return _type("geometry_msgs/msg/TwistStamped")(_header(stamp, frame_id), inner)


def _multi_array(values: list[float]) -> Any:
    layout = _type("std_msgs/msg/MultiArrayLayout")([], 0)
    return _type("std_msgs/msg/Float64MultiArray")(layout, np.array(values, np.float64))


JOINT_NAMES = (*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint")

"""The observations of a recording: frames, and what keeps them from being those of a robot under the contract."""

from collections.abc import Collection
from typing import Any

from lossless_ros.contract import JOINT_STATES, Contract, Robot, check_names
from lossless_ros.control.robot_limits import frame_fault
from lossless_ros.errors import LosslessError
from lossless_ros.observation.frames import Aligner, Frame, Lane
from lossless_ros.observation.joints import JointInventory
from lossless_ros.observation.messages import decode, stamp_ns
from lossless_ros.observation.streams import stream_topic, stream_type
from lossless_ros.observation.timing import clock_fault, order_fault, timing_fault


class RecordedObservations:
    """The contract's streams in a bag.

    Args:
        contract: what a frame is.
        robot: who recorded the bag.
        present: the bag's topics, without the leading slash.

    Attributes:
        topics: the message type of each topic that is read, without the leading slash. If only a camera's compressed
            topic was recorded, it is that.
        frames: complete frames so far.

    Raises:
        LosslessError: the robot's file has names that the contract lacks, or takes commands in another frame.
    """

    def __init__(self, contract: Contract, robot: Robot, present: Collection[str]) -> None:
        check_names(robot, contract)
        if fault := frame_fault(contract, robot):
            raise LosslessError(fault)
        self._contract, self._robot = contract, robot
        self._streams: dict[str, str] = {}
        for stream in contract.streams:
            topic, compressed = (
                stream_topic(contract, robot, stream, option).removeprefix("/") for option in (False, True)
            )
            is_camera = any(camera.name == stream for camera in contract.cameras)
            taken = compressed if is_camera and topic not in present and compressed in present else topic
            self._streams[taken] = stream
        self.topics = {topic: stream_type(contract, stream, topic) for topic, stream in self._streams.items()}
        self.frames: list[Frame] = []
        self._aligner = Aligner(contract)
        self._joints = JointInventory(contract, robot)
        self._stamps: dict[Lane, list[int]] = {(s, part): [] for s in contract.streams for part in contract.parts(s)}
        self._delays: dict[str, list[int]] = {topic: [] for topic in self._streams}
        self._files: dict[tuple[str, int], bytes] = {}  # of compressed images, by stream and stamp

    @property
    def delays(self) -> dict[str, list[int]]:
        """Return by topic how long after its stamp each message was recorded [ns]."""
        return {f"/{topic}": values for topic, values in self._delays.items()}

    @property
    def dropped(self) -> dict[str, int]:
        """Return the number of frames without all samples, by reason."""
        return {f"no sample of {streams} in time": count for streams, count in self._aligner.dropped.items()}

    def add(self, topic: str, logged: int, msg: Any) -> None:
        """Add a message of one of the topics, logged at that time [ns].

        Raises:
            DataError: the message cannot be used.
        """
        stream, stamp = self._streams[topic], stamp_ns(msg)
        sample = decode(self._contract, self._robot, stream, msg)
        if stream == JOINT_STATES:
            self._joints.add(msg)
        for part in sample:
            self._stamps[stream, part].append(stamp)
        if sample:
            self._delays[topic].append(logged - stamp)
        if hasattr(msg, "format"):
            self._files.setdefault((stream, stamp), bytes(msg.data))
        self.frames += self._aligner.push(stream, stamp, sample)

    def finish(self) -> None:
        """Count the frames that still wait for samples."""
        self._aligner.finish()

    def missing(self) -> str | None:
        """Return which topic has nothing that the contract needs, None if all have."""
        for topic, stream in self._streams.items():
            lacking = [part for part in self._contract.parts(stream) if not self._stamps[stream, part]]
            if stream == JOINT_STATES and lacking and self._joints.seen:
                return f"/{topic} has {self._joints.missing_text(lacking)}"
            if lacking:
                return f"no message on /{topic}"
        return None

    def fault(self) -> str | None:
        """Return why the stamps are not those of a robot under the contract, None if they are."""
        stamps: dict[str, list[int]] = {}
        for topic, stream in self._streams.items():
            parts = self._contract.parts(stream)
            together = all(self._stamps[stream, part] == self._stamps[stream, parts[0]] for part in parts)
            for part in parts[:1] if together else parts:
                joint = self._robot.joint(part)
                stamps[f"/{topic}" if together else f"{joint} on /{topic}"] = self._stamps[stream, part]
        orders = (order_fault(self._contract, topic, values) for topic, values in stamps.items())
        return next(filter(None, orders), None) or clock_fault(self.delays) or timing_fault(self._contract, stamps)

    def image_files(self, frames: list[Frame]) -> tuple[list[bytes] | None, ...]:
        """Return per camera the compressed images of the frames, None for a camera with raw images."""
        return tuple(self._camera_files(camera.name, frames) for camera in self._contract.cameras)

    def _camera_files(self, camera: str, frames: list[Frame]) -> list[bytes] | None:
        found = [self._files.get((camera, frame.stamps[camera])) for frame in frames]
        return [file for file in found if file is not None] if None not in found else None

"""What a recording holds, from its index alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import McapReader

from lossless_ros.errors import LosslessError


@dataclass(frozen=True)
class TopicSummary:
    """A topic of a recording."""

    type: str
    messages: int


@dataclass(frozen=True)
class BagSummary:
    """A recording's length [s], size and topics by name."""

    duration_s: float
    bytes: int
    topics: dict[str, TopicSummary]

    def rate_hz(self, topic: str) -> float | None:
        """Return the mean rate of a topic over the whole recording; None for less than two messages."""
        messages = self.topics[topic].messages
        return messages / self.duration_s if messages > 1 and self.duration_s > 0 else None


def summarize_bag(path: Path) -> BagSummary:
    """Summarize a rosbag2 folder, or a single MCAP file.

    Raises:
        LosslessError: it cannot be read.
    """
    try:
        if path.is_dir():
            with Reader(path) as bag:
                files = [file for file in path.iterdir() if file.is_file()]
                return _summary(bag, bag.duration, files)
        file = McapReader(path)
        file.open()
        try:
            return _summary(file, file.metadata.end_time - file.metadata.start_time, [path])
        finally:
            file.close()
    except Exception as error:  # rosbags raises many kinds on damaged files
        why = " ".join(str(error).split()) or type(error).__name__
        raise LosslessError(f"{path} cannot be read as a recording (truncated or damaged?): {why}") from None


def _summary(bag: Any, duration_ns: int, files: list[Path]) -> BagSummary:
    topics: dict[str, TopicSummary] = {}
    for connection in bag.connections:  # a topic has one per publisher
        before = topics[connection.topic].messages if connection.topic in topics else 0
        topics[connection.topic] = TopicSummary(connection.msgtype, before + connection.msgcount)
    return BagSummary(max(duration_ns, 0) / 1e9, sum(file.stat().st_size for file in files), topics)

"""What a recording holds, from its index alone."""

from dataclasses import dataclass
from pathlib import Path

from lossless_ros.episodes.bag import Bag


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
    """Summarize a rosbag2 folder, or a single file of one.

    Raises:
        LosslessError: it cannot be read.
    """
    with Bag(path) as bag:
        topics = {t.name: TopicSummary(" and ".join(t.types), t.count) for t in bag.topics.values()}
        files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
        return BagSummary(bag.duration_s, sum(file.stat().st_size for file in files), topics)

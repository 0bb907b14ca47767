"""A rosbag2 folder opened for reading: what metadata.yaml says is compared with what the files hold."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml
from rosbags.rosbag2 import Reader

from lossless_ros.errors import LosslessError

INFO_KEY = "lossless"  # key of the episode's JSON in metadata.yaml's custom_data
METADATA = "metadata.yaml"
STORAGE_SUFFIXES = (".mcap", ".db3")
_COMPRESSED = ".zstd"  # ending of compressed files
_UNWRITTEN = ("-wal", "-journal")  # SQLite's files of what is not in the database yet


@dataclass(frozen=True)
class Topic:
    """A topic of a bag; the name has its leading slash."""

    name: str
    types: tuple[str, ...]
    count: int  # of messages


class Bag:
    """An open rosbag2 folder, or a single .mcap or .db3 file. Use it in a `with` statement.

    Every failure to read it becomes a one-line error: truncated files, unknown storage, messages that metadata.yaml
    counts and the files lack, and messages that SQLite has not written back.

    Raises:
        LosslessError: the bag cannot be read, or not all of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._metadata: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()  # messages by topic, as metadata.yaml says
        try:
            self._open()
        except BaseException as error:
            self._stack.close()
            if isinstance(error, Exception) and not isinstance(error, LosslessError):
                raise self._unreadable(error) from None  # rosbags raises many kinds on damaged files
            raise

    def __enter__(self) -> "Bag":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        with contextlib.suppress(Exception):
            self._stack.close()
        if isinstance(error, Exception) and not isinstance(error, LosslessError):
            raise self._unreadable(error) from None

    @property
    def topics(self) -> dict[str, Topic]:
        """Return the topics by their names without the leading slash."""
        topics: dict[str, Topic] = {}
        for connection in (connection for reader in self._readers for connection in reader.connections):
            name = connection.topic.removeprefix("/")
            before = topics.get(name, Topic(connection.topic, (), 0))
            types = dict.fromkeys((*before.types, connection.msgtype))
            topics[name] = Topic(connection.topic, tuple(types), before.count + connection.msgcount)
        return topics

    @property
    def duration_s(self) -> float:
        """Return the time from the first message logged to the last one [s]."""
        spans = [(reader.start_time, reader.end_time) for reader in self._readers if reader.message_count]
        return (max(end for _, end in spans) - min(start for start, _ in spans)) / 1e9 if spans else 0.0

    @property
    def info(self) -> dict[str, Any]:
        """Return the JSON that the collector stored; empty without one."""
        text = (self._metadata.get("custom_data") or {}).get(INFO_KEY, "{}")
        return dict(json.loads(text))

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield (topic without the leading slash, type, log time [ns], CDR bytes) in the bag's order.

        Args:
            topics: those to read, without the leading slash; None for all.

        Raises:
            LosslessError: a topic has another number of messages than metadata.yaml says.
        """
        chosen = set(self.topics) if topics is None else set(topics)
        read: Counter[str] = Counter()
        for reader in self._readers:
            # The connections of each file: those of metadata.yaml would hide messages if their QoS was edited.
            connections = [c for c in reader.connections if c.topic.removeprefix("/") in chosen]
            if not connections:
                continue
            for connection, time, data in reader.messages(connections):
                name = connection.topic.removeprefix("/")
                read[name] += 1
                yield name, connection.msgtype, time, bytes(data)
        if self._metadata:
            self._check_counts({name: read[name] for name in chosen}, "could be read")

    def _open(self) -> None:
        if self.path.is_file():
            _check_written_back(self.path)
            self._readers = [self._stack.enter_context(Reader(self.path))]
            return
        self._metadata = self._load_metadata()
        files = [self.path / PurePath(name).name for name in self._metadata["relative_file_paths"]]
        self._check_files(files)
        compressed = str(self._metadata.get("compression_mode") or "none").lower() != "none"
        # The files themselves: their names tell the storage, also where metadata.yaml has an empty storage_identifier.
        self._readers = [self._stack.enter_context(Reader(path)) for path in ([self.path] if compressed else files)]
        found = {name: topic.count for name, topic in self.topics.items()}
        self._check_counts({**dict.fromkeys(self._counts, 0), **found}, "are in the files")

    def _load_metadata(self) -> dict[str, Any]:
        file = self.path / METADATA
        if not file.is_file():
            raise LosslessError(missing_metadata(self.path))
        try:
            metadata = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            bag = metadata["rosbag2_bagfile_information"]
            for topic in bag["topics_with_message_count"]:
                self._counts[str(topic["topic_metadata"]["name"]).removeprefix("/")] += int(topic["message_count"])
            files = [str(name) for name in bag["relative_file_paths"]]
        except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
            why = " ".join(str(error).split())
            raise LosslessError(
                f"{file} is damaged ({type(error).__name__}: {why}); write it again with: ros2 bag reindex {self.path}"
            ) from None
        return {**bag, "relative_file_paths": files}

    def _check_files(self, files: list[Path]) -> None:
        """Check that the folder holds the files of the metadata, no others, and nothing that was not written back."""
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise LosslessError(f"{self.path} has no {', '.join(missing)}, which its {METADATA} lists")
        known = {file.name.removesuffix(_COMPRESSED) for file in files}  # playing a compressed bag leaves such files
        unlisted = [file.name for file in bag_files(self.path) if file.name not in known]
        if unlisted:
            raise LosslessError(
                f"{self.path / METADATA} does not list {', '.join(unlisted)}; move it away, or list it with: "
                f"ros2 bag reindex {self.path}"
            )
        for file in files:
            _check_written_back(file)

    def _check_counts(self, found: dict[str, int], where: str) -> None:
        """Check numbers of messages by topic, without the leading slash, against those of the metadata."""
        for name, count in sorted(found.items()):
            said = self._counts[name]
            if said != count:
                raise LosslessError(
                    f"{self.path / METADATA} counts {said} messages on /{name}, but {count} {where}; "
                    f"if the files are whole, count again with: ros2 bag reindex {self.path}"
                )

    def _unreadable(self, error: Exception) -> LosslessError:
        why = " ".join(str(error).split()) or type(error).__name__
        return LosslessError(f"{self.path} cannot be read as a recording (truncated or damaged?): {why}")


def _check_written_back(file: Path) -> None:
    """Check that SQLite has no messages of a database in another file."""
    for ending in _UNWRITTEN:
        log = file.with_name(f"{file.name}{ending}")
        if log.is_file() and log.stat().st_size:
            raise LosslessError(
                f"{log} holds messages that are not in {file.name} yet (the recorder was killed?); "
                f"write them back with: sqlite3 {file} 'PRAGMA wal_checkpoint(TRUNCATE)'"
            )


def bag_files(folder: Path) -> list[Path]:
    """Return the data files of bags that lie directly in a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in STORAGE_SUFFIXES and path.is_file())


def missing_metadata(folder: Path) -> str:
    """Return the error for a bag without its metadata."""
    return f"{folder} has no {METADATA} (the recorder was killed?); write it with: ros2 bag reindex {folder}"

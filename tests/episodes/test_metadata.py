"""What metadata.yaml says against what the files hold: nothing is lost without a word."""

import shutil
import sqlite3

import pytest
import yaml
from rosbags.rosbag2 import StoragePlugin

from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.reader import find_episodes, read_episode, read_info, topic_counts
from lossless_ros.errors import LosslessError
from tests.support.bags import CONTRACT, FRAMES, JOINTS, TWISTS, recording, write_bag


@pytest.fixture
def bag(tmp_path):
    return write_bag(tmp_path / "data" / "episode_0", recording())


def edit(bag, change):
    """Change the metadata of a bag."""
    file = bag / "metadata.yaml"
    metadata = yaml.safe_load(file.read_text())
    change(metadata["rosbag2_bagfile_information"])
    file.write_text(yaml.safe_dump(metadata))
    return bag


def topic(metadata, name):
    return next(t for t in metadata["topics_with_message_count"] if t["topic_metadata"]["name"] == name)


@pytest.mark.parametrize(("name", "said"), [(TWISTS, 60), (TWISTS, 10), (JOINTS, 0)])
def test_another_number_of_messages_than_the_metadata_says_is_refused(bag, name, said):
    edit(bag, lambda m: topic(m, name).update(message_count=said))
    for read in (read_info, topic_counts, lambda path: read_episode(path, CONTRACT)):
        with pytest.raises(LosslessError, match=f"counts {said} messages on {name}, but 30 are in .*ros2 bag reindex"):
            read(bag)


def test_a_topic_that_only_the_metadata_or_only_the_files_have_is_refused(bag):
    edit(bag, lambda m: topic(m, TWISTS)["topic_metadata"].update(name="/other"))
    with pytest.raises(LosslessError, match="counts 30 messages on /other, but 0 are in the files"):
        read_info(bag)
    edit(bag, lambda m: topic(m, "/other").update(message_count=0))
    with pytest.raises(LosslessError, match=f"counts 0 messages on {TWISTS}, but 30 are in the files"):
        read_info(bag)


def test_edited_qos_hides_no_message(bag):
    def change(metadata):
        for number, entry in enumerate(metadata["topics_with_message_count"]):
            qos = ["- history: 1\n  depth: 7\n", "- {}", "nonsense", ""][number % 4]
            entry["topic_metadata"]["offered_qos_profiles"] = qos

    assert len(read_episode(edit(bag, change), CONTRACT).frames) == FRAMES


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_the_files_names_tell_the_storage_where_the_metadata_does_not(tmp_path, plugin):
    bag = write_bag(tmp_path / "bag", recording(), plugin)
    for storage in ("", None, "unheard_of"):
        edit(bag, lambda m, s=storage: m.update(storage_identifier=s))
        assert len(read_episode(bag, CONTRACT).frames) == FRAMES


def test_metadata_that_is_damaged_is_one_line_with_the_way_out(bag):
    for text in ("", "a: [", "- 1", "rosbag2_bagfile_information: {}", "rosbag2_bagfile_information: 3", "\x00"):
        (bag / "metadata.yaml").write_text(text)
        with pytest.raises(LosslessError, match=r"episode_0/metadata.yaml is damaged .*ros2 bag reindex") as caught:
            read_episode(bag, CONTRACT)
        assert "\n" not in str(caught.value)


def test_folders_without_metadata_are_named_with_the_way_out(bag):
    other = write_bag(bag.parent / "episode_1", recording(1))
    write_bag(bag.parent / "episode_2", recording(2))
    (bag.parent / "notes").mkdir()
    assert len(find_episodes([bag.parent])) == 3
    (other / "metadata.yaml").unlink()
    for folder in (bag.parent, other):
        with pytest.raises(LosslessError, match="episode_1 has no metadata.yaml .*: ros2 bag reindex .*episode_1$"):
            find_episodes([folder])
    (bag / "metadata.yaml").unlink()
    with pytest.raises(LosslessError, match="episode_0 has no metadata.yaml .*; 2 of 3 folders have none"):
        find_episodes([bag.parent])


def test_episodes_further_below_are_named(bag):
    shutil.copytree(bag, bag.parent / "session" / "episode_7")
    with pytest.raises(LosslessError, match="session holds 1 rosbag2 folders; give .*session too"):
        find_episodes([bag.parent])
    assert len(find_episodes([bag, bag.parent / "session"])) == 2


def test_an_episode_that_is_being_written_is_no_episode_yet(bag):
    part = bag.parent / ".episode_1.123.part"
    shutil.copytree(bag, part / "episode_1")
    (part / "episode_1" / "metadata.yaml").unlink()
    assert find_episodes([bag.parent]) == [bag]


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_a_bare_file_is_read(tmp_path, plugin):
    bag = write_bag(tmp_path / "bag", recording(), plugin)
    (file,) = (path for path in bag.iterdir() if path.name != "metadata.yaml")
    bare = shutil.copy(file, tmp_path / f"bare{file.suffix}")
    assert find_episodes([tmp_path / bare]) == [bare]
    assert len(decode_episodes([bare], CONTRACT)[0]) == FRAMES
    assert read_info(bare) == {}


def test_a_file_that_the_metadata_lists_or_does_not_list_is_named(bag):
    shutil.copy(bag / "episode_0.mcap", bag / "episode_0_1.mcap")
    with pytest.raises(LosslessError, match="metadata.yaml does not list episode_0_1.mcap.*ros2 bag reindex"):
        read_info(bag)
    (bag / "episode_0_1.mcap").unlink()
    edit(bag, lambda m: m["relative_file_paths"].append("episode_0_1.mcap"))
    with pytest.raises(LosslessError, match="episode_0 has no episode_0_1.mcap, which its metadata.yaml lists"):
        read_info(bag)


def test_a_bag_in_several_files_is_read_as_one(tmp_path):
    events = sorted(recording(), key=lambda event: event.logged)
    half = len(events) // 2
    bag, rest = write_bag(tmp_path / "bag", events[:half]), write_bag(tmp_path / "rest", events[half:])
    shutil.copy(rest / "rest.mcap", bag / "rest.mcap")
    counts = {t["topic_metadata"]["name"]: t["message_count"] for t in _topics(rest)}

    def join(metadata):
        metadata["relative_file_paths"].append("rest.mcap")
        for entry in metadata["topics_with_message_count"]:
            entry["message_count"] += counts[entry["topic_metadata"]["name"]]

    assert len(read_episode(edit(bag, join), CONTRACT).frames) == FRAMES


def _topics(bag):
    return yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"][
        "topics_with_message_count"
    ]


def test_messages_that_sqlite_has_not_written_back_are_not_lost(tmp_path):
    bag = write_bag(tmp_path / "bag", recording(), StoragePlugin.SQLITE3)
    database = bag / "bag.db3"
    link = sqlite3.connect(database)
    link.execute("PRAGMA journal_mode=WAL")
    link.execute("PRAGMA wal_autocheckpoint=0")
    link.execute("DELETE FROM messages WHERE id > 90")
    link.commit()
    kept = {path: path.read_bytes() for path in (database, bag / "bag.db3-wal")}
    link.close()
    for path, data in kept.items():
        path.write_bytes(data)
    for path in (bag, database):
        with pytest.raises(LosslessError, match="bag.db3-wal holds messages .*wal_checkpoint"):
            read_episode(path, CONTRACT)
    (bag / "bag.db3-wal").write_bytes(b"")
    assert len(read_episode(bag, CONTRACT).frames) == FRAMES
    (bag / "bag.db3-journal").write_bytes(b"x")
    with pytest.raises(LosslessError, match="bag.db3-journal holds messages"):
        read_episode(bag, CONTRACT)

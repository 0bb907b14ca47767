"""Recordings with bytes changed anywhere: each is read or refused in one line. LOSSLESS_FUZZ sets how many."""

import os
import random
import shutil
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin

from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from tests.support.bags import CONTRACT, recording, write_bag

NUMBER = int(os.environ.get("LOSSLESS_FUZZ", "500"))  # per storage


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return the content of a file with a few bytes changed, cut off, left out or repeated."""
    changed, at = bytearray(data), rng.randrange(len(data))
    kind = rng.randrange(5)
    if kind == 0:
        return bytes(changed[:at])
    if kind == 1:
        del changed[at : at + rng.choice([1, 4, 100])]
    elif kind == 2:
        changed[at:at] = changed[max(0, at - rng.choice([1, 8, 200])) : at]
    else:
        for _ in range(rng.choice([1, 2, 20])):
            changed[rng.randrange(len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(changed)


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_changed_recording_is_read_or_refused(tmp_path: Path, plugin: StoragePlugin) -> None:
    rng = random.Random(7)
    good = write_bag(tmp_path / "good", recording(frames=6), plugin)
    files = sorted(path.name for path in good.iterdir())
    read = refused = 0
    for number in range(NUMBER):
        bag = tmp_path / str(number)
        shutil.copytree(good, bag)
        file = bag / rng.choice(files)
        file.write_bytes(mutate(file.read_bytes(), rng))
        try:
            for path in find_episodes([bag]):
                read_episode(path, CONTRACT)
            read += 1
        except LosslessError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 2000
        shutil.rmtree(bag)
    assert read and refused

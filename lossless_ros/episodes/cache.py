"""Cache of episodes on disk, aligned and ready for training. Safe to delete.

It is keyed by the bag's content and the contract. Images stay compressed where the bag's are, so that the cache is no
larger than the bags; a frame from it equals the frame from the bag, byte for byte.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.cached_images import CachedImages, open_images, write_images
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.files import atomic_folder
from lossless_ros.paths import cache_dir

_LAYOUT = "2"  # version of the files and of how an episode is read; change it with either
_OBJECTS = "object_positions.npy"  # only of bags that have object poses


@dataclass(frozen=True)
class DecodedEpisode:
    """An episode as arrays; images are read, and decoded, at every access.

    Attributes:
        path: the rosbag2 folder.
        info: what the collector stored.
        images: per camera T images (H, W, 3) uint8, as one array or read from the cache.
        proprioception: (T, P) float32.
        actions: (T, A) float32: m/s, rad/s, gripper -1 or +1.
        key: hash of the bag's content and the contract.
        object_positions: (T, 3, 3) float32 true positions of the red, green and blue object in the base frame [m];
            None if the bag has none.
    """

    path: Path
    info: dict[str, Any]
    images: tuple[np.ndarray | CachedImages, ...]
    proprioception: np.ndarray
    actions: np.ndarray
    key: str
    object_positions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.actions)


def decode_episodes(
    paths: list[Path],
    contract: Contract,
    robot: Robot | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> list[DecodedEpisode]:
    """Return the episodes as arrays; each is decoded at most once per machine.

    Raises:
        LosslessError: a bag cannot be used, or the cache cannot be written.
    """
    decoded = []
    for i, path in enumerate(paths):
        decoded.append(_decode(path, contract, robot or Robot()))
        on_progress(i + 1, len(paths))
    return decoded


def _decode(path: Path, contract: Contract, robot: Robot) -> DecodedEpisode:
    key = _key(path, contract, robot)
    folder = cache_dir() / "episodes" / key
    if not folder.is_dir():
        _write(folder, path, contract, robot)
    try:
        images = tuple(
            open_images(folder, f"camera_{i}", camera.height, camera.width) for i, camera in enumerate(contract.cameras)
        )
        proprioception, actions = (np.load(folder / f"{name}.npy") for name in ("proprioception", "actions"))
        object_positions = np.load(folder / _OBJECTS) if (folder / _OBJECTS).is_file() else None
        info = json.loads((folder / "info.json").read_text())
    except (OSError, ValueError) as error:
        raise LosslessError(f"{folder} is damaged ({error}); delete it, it will be rebuilt") from None
    return DecodedEpisode(path, info, images, proprioception, actions, key, object_positions)


def _write(folder: Path, path: Path, contract: Contract, robot: Robot) -> None:
    episode = read_episode(path, contract, robot)
    if episode.timing_fault:
        raise LosslessError(f"{path}: {episode.timing_fault}")
    if not episode.frames:
        raise LosslessError(f"{path}: no frame of contract '{contract.name}' with an action")
    try:
        with atomic_folder(folder) as part:
            for i, files in enumerate(episode.image_files):
                write_images(part, f"camera_{i}", [frame.images[i] for frame in episode.frames], files)
            np.save(part / "proprioception.npy", np.stack([f.proprioception for f in episode.frames]))
            np.save(part / "actions.npy", episode.actions)
            if episode.object_poses is not None:
                np.save(part / _OBJECTS, episode.object_poses[:, :, :3].astype(np.float32))
            (part / "info.json").write_text(json.dumps(episode.info))
    except OSError as error:
        if not folder.is_dir():  # else another process wrote the same content first
            raise LosslessError(f"cannot write the cache {folder}: {error.strerror}; set XDG_CACHE_HOME") from None


def _key(path: Path, contract: Contract, robot: Robot) -> str:
    """Return the hash of the bag's bytes, the contract and the robot's names."""
    names = dataclasses.replace(robot, frame_id=None, arm=None, joint_limits={})  # these do not change what is read
    digest = hashlib.sha256(f"{_LAYOUT}\n{contract.to_json()}\n{dataclasses.asdict(names)}\n".encode())
    try:
        for file in sorted(p for p in path.iterdir() if p.is_file()):
            digest.update(f"{file.suffix} {file.stat().st_size}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise LosslessError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()[:32]

"""Cache of episodes on disk, aligned and ready for training. Safe to delete.

It is keyed by the bag's content and the contract. Images stay compressed where the bag's are, so that the cache is no
larger than the bags; a frame from it equals the frame from the bag, byte for byte.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.cached_images import CachedImages, open_images, write_images
from lossless_ros.episodes.reader import check_frames, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.files import atomic_folder
from lossless_ros.paths import cache_dir

_LAYOUT = "4"  # version of the files and of how an episode is read; change it with either
_READING = "reading.json"  # what was left out of the bag, and why
_OBJECTS = "object_poses.npy"  # only of bags that have object poses


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
        object_poses: (T, 3, 7) float32 true poses of the red, green and blue object in the base frame: x, y, z [m],
            qx, qy, qz, qw; None if the bag has none.
        periods: (T,) float64 times of the frames since the first one [control periods]; None for 0, 1, 2, ...
        left_out: number of the bag's frames that are not among the T, by reason.
        notes: on what was left out, one line each.
        gripper_range: lowest and highest recorded gripper command; None without a gripper, or if not known.
    """

    path: Path
    info: dict[str, Any]
    images: tuple[np.ndarray | CachedImages, ...]
    proprioception: np.ndarray
    actions: np.ndarray
    key: str
    object_poses: np.ndarray | None = None
    periods: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gripper_range: tuple[float, float] | None = None

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
        names = ("proprioception", "actions", "periods")
        proprioception, actions, periods = (np.load(folder / f"{name}.npy") for name in names)
        object_poses = np.load(folder / _OBJECTS) if (folder / _OBJECTS).is_file() else None
        info, reading = (json.loads((folder / name).read_text()) for name in ("info.json", _READING))
    except (OSError, ValueError) as error:
        raise LosslessError(f"{folder} is damaged ({error}); delete it, it will be rebuilt") from None
    gripper = reading["gripper_range"]
    return DecodedEpisode(
        path=path,
        info=info,
        images=images,
        proprioception=proprioception,
        actions=actions,
        key=key,
        object_poses=object_poses,
        periods=periods,
        left_out=reading["left_out"],
        notes=tuple(reading["notes"]),
        gripper_range=None if gripper is None else (gripper[0], gripper[1]),
    )


def _write(folder: Path, path: Path, contract: Contract, robot: Robot) -> None:
    episode = read_episode(path, contract, robot)
    if episode.fault:
        raise LosslessError(f"{path}: {episode.fault}")
    check_frames(episode, contract)
    stamps = np.array([frame.stamp for frame in episode.frames], np.int64)
    try:
        with atomic_folder(folder) as part:
            for i, files in enumerate(episode.image_files):
                write_images(part, f"camera_{i}", [frame.images[i] for frame in episode.frames], files)
            np.save(part / "proprioception.npy", np.stack([f.proprioception for f in episode.frames]))
            np.save(part / "actions.npy", episode.actions)
            np.save(part / "periods.npy", (stamps - stamps[0]) / contract.period_ns)
            if episode.object_poses is not None:
                np.save(part / _OBJECTS, episode.object_poses.astype(np.float32))
            (part / "info.json").write_text(json.dumps(episode.info))
            names = ("left_out", "notes", "gripper_range")
            (part / _READING).write_text(json.dumps({name: getattr(episode, name) for name in names}))
    except OSError as error:
        if not folder.is_dir():  # else another process wrote the same content first
            raise LosslessError(f"cannot write the cache {folder}: {error.strerror}; set XDG_CACHE_HOME") from None


def _key(path: Path, contract: Contract, robot: Robot) -> str:
    """Return the hash of the bag's bytes, the contract and the robot's names."""
    names = (robot.topics, robot.joints, robot.gripper, robot.frames, robot.frame_id)  # all that changes what is read
    digest = hashlib.sha256(f"{_LAYOUT}\n{contract.to_json()}\n{names}\n".encode())
    try:
        for file in sorted(p for p in ([path] if path.is_file() else path.iterdir()) if p.is_file()):
            digest.update(f"{file.suffix} {file.stat().st_size}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise LosslessError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()[:32]

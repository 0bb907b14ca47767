"""Frames and actions of many episodes for training: split, filters, batches."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.errors import LosslessError

_NEAR = 0.75  # control periods: a frame further from an instant is not of it; thinned cameras are off by a third
_APART = 1e7  # control periods from the start of an episode to that of the next one


@dataclass(frozen=True)
class Batch:
    """Frames with their actions."""

    images: tuple[np.ndarray, ...]  # per camera (B, H, W, 3) uint8
    proprioception: np.ndarray  # (B, P) float32
    actions: np.ndarray  # (B, A) float32: m/s, rad/s, gripper -1 or +1


class Dataset:
    """The frames of several episodes under one index.

    Attributes:
        episodes: in the order of the frames.
        proprioception: (N, P) float32.
        actions: (N, A) float32: m/s, rad/s, gripper -1 or +1.
        object_poses: (N, 3, 7) float32 true poses of the red, green and blue object in the base frame: x, y, z [m], qx,
            qy, qz, qw; nan in episodes without them.
        starts: index of each episode's first frame, and the number of frames (E + 1,).
    """

    def __init__(self, episodes: Sequence[DecodedEpisode]) -> None:
        self.episodes = tuple(episodes)
        self.proprioception = np.concatenate([e.proprioception for e in self.episodes])
        self.actions = np.concatenate([e.actions for e in self.episodes])
        self.object_poses = np.concatenate([_object_poses(e) for e in self.episodes])
        self.starts = np.cumsum([0, *(len(e) for e in self.episodes)])
        self._periods = np.concatenate([i * _APART + _periods(e) for i, e in enumerate(self.episodes)])

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def key(self) -> str:
        """Hash of the episodes' content, in this order."""
        return hashlib.sha256("\n".join(e.key for e in self.episodes).encode()).hexdigest()[:32]

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the frames at `indices` (B,)."""
        which = np.searchsorted(self.starts, indices, side="right") - 1
        at = indices - self.starts[which]
        cameras = range(len(self.episodes[0].images))
        images = tuple(
            np.stack([self.episodes[e].images[c][t] for e, t in zip(which, at, strict=True)]) for c in cameras
        )
        return Batch(images, self.proprioception[indices], self.actions[indices])

    def following(self, indices: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return action chunks (B, count, A) from the frames at `indices` (B,) on, and which steps exist (B, count).

        A step is one control period, and its action that of the frame nearest to it in time. Where the recording has no
        frame, in a gap or beyond the episode's end, the step does not exist and the last action is repeated.
        """
        wanted = self._periods[indices][:, None] + np.arange(count)
        before = np.searchsorted(self._periods, wanted, side="right") - 1  # the last frame by then
        after = np.minimum(before + 1, len(self) - 1)
        nearest = np.where(self._periods[after] - wanted < wanted - self._periods[before], after, before)
        exists = np.abs(self._periods[nearest] - wanted) < _NEAR
        return self.actions[np.where(exists, nearest, before)], exists

    def filter_noops(self, limits: np.ndarray, threshold: float) -> np.ndarray:
        """Return the indices (M,) of frames that are not no-ops: the arm moves or the gripper command changes.

        The arm moves if some velocity is at least `threshold` of its limit; `limits` are those of the velocities
        [m/s, rad/s], and what follows these in an action is the gripper.
        """
        moves = (np.abs(self.actions[:, : len(limits)]) >= threshold * limits).any(1)
        gripper = self.actions[:, len(limits) :] > 0  # (N, 1), or (N, 0) without a gripper
        changes = np.append(False, (gripper[1:] != gripper[:-1]).any(1))
        changes[self.starts[:-1]] = False  # from one episode to the next
        return np.flatnonzero(moves | changes)

    def spread(self, count: int) -> np.ndarray:
        """Return at most `count` indices, evenly spread over all frames."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64))


def _periods(episode: DecodedEpisode) -> np.ndarray:
    """Return the times of an episode's frames (T,) since the first one [control periods]."""
    return episode.periods if episode.periods is not None else np.arange(len(episode), dtype=np.float64)


def _object_poses(episode: DecodedEpisode) -> np.ndarray:
    if episode.object_poses is not None:
        return episode.object_poses
    return np.full((len(episode), len(OBJECTS), 7), np.nan, np.float32)


def split(episodes: Sequence[DecodedEpisode], held_out: float, only_successful: bool) -> tuple[Dataset, Dataset]:
    """Split episodes into training and held-out frames; the last `held_out` part (at least one episode) is held out.

    Episodes with equal proprioception and actions are one trajectory under several looks. It counts once, where it
    comes first, and all its looks are on the same side.

    With `only_successful`, failed episodes are left out. Episodes without a success label (from a robot) and episodes
    labelled by an expert (DAgger) count as successful.

    Raises:
        LosslessError: fewer than two episodes are left, or fewer than two trajectories.
    """
    used = [e for e in episodes if not only_successful or e.info.get("success", True) or e.info.get("labelled")]
    if len(used) < 2:
        raise LosslessError(
            f"{len(used)} of {len(episodes)} episodes can be trained on, expected at least 2 "
            f"({'successful ones; only_successful: false takes all' if only_successful else 'one is held out'})"
        )
    trajectories = [_trajectory(episode) for episode in used]
    distinct = list(dict.fromkeys(trajectories))
    if len(distinct) < 2:
        raise LosslessError(f"all {len(used)} episodes show one trajectory, expected at least 2 (one is held out)")
    last = set(distinct[-max(1, math.floor(held_out * len(distinct))) :])
    training, held_out_episodes = (
        [episode for episode, trajectory in zip(used, trajectories, strict=True) if (trajectory in last) == side]
        for side in (False, True)
    )
    return Dataset(training), Dataset(held_out_episodes)


def _trajectory(episode: DecodedEpisode) -> bytes:
    """Return the hash of what was moved, which is that of all looks of a trajectory."""
    return hashlib.sha256(episode.proprioception.tobytes() + episode.actions.tobytes()).digest()

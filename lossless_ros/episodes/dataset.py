"""Frames and actions of many episodes for training: which are used, which are held out, batches of them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.errors import LosslessError


@dataclass(frozen=True)
class Batch:
    """Frames with the actions that answered them."""

    images: tuple[np.ndarray, ...]  # per camera (B, H, W, 3) uint8
    proprioception: np.ndarray  # (B, P) float32
    actions: np.ndarray  # (B, A) float32: m/s, rad/s, gripper -1 or +1


class Dataset:
    """All frames of some episodes under one index."""

    def __init__(self, episodes: Sequence[DecodedEpisode]) -> None:
        self.episodes = tuple(episodes)
        self.proprioception = np.concatenate([e.proprioception for e in self.episodes])  # (N, P)
        self.actions = np.concatenate([e.actions for e in self.episodes])  # (N, A)
        self._starts = np.cumsum([0, *(len(e) for e in self.episodes)])

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def key(self) -> str:
        """Hash of the content, in this order."""
        return hashlib.sha256("\n".join(e.key for e in self.episodes).encode()).hexdigest()[:32]

    def batch(self, indices: np.ndarray) -> Batch:
        """The frames at `indices` (B,)."""
        which = np.searchsorted(self._starts, indices, side="right") - 1
        at = indices - self._starts[which]
        cameras = range(len(self.episodes[0].images))
        images = tuple(
            np.stack([self.episodes[e].images[c][t] for e, t in zip(which, at, strict=True)]) for c in cameras
        )
        return Batch(images, self.proprioception[indices], self.actions[indices])

    def following(self, indices: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Actions (B, count, A) of the frames at `indices` (B,) and the next ones, and which of them exist (B, count).

        After an episode's end its last action stands.
        """
        last = self._starts[np.searchsorted(self._starts, indices, side="right")] - 1
        at = indices[:, None] + np.arange(count)
        return self.actions[np.minimum(at, last[:, None])], at <= last[:, None]

    def filter_noops(self, limits: np.ndarray, slowest: float) -> np.ndarray:
        """Indices (M,) of the frames answered by a motion, or by a change of the gripper's command.

        A motion is one of which some velocity is at least `slowest` of its limit (A - 1,) [m/s, rad/s].
        """
        moves = (np.abs(self.actions[:, :-1]) >= slowest * limits).any(1)
        gripper = self.actions[:, -1] > 0
        changes = np.append(False, gripper[1:] != gripper[:-1])
        changes[self._starts[:-1]] = False  # from one episode to the next
        return np.flatnonzero(moves | changes)

    def spread(self, count: int) -> np.ndarray:
        """At most `count` indices, evenly spread over all frames."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(np.int64))


def split(episodes: Sequence[DecodedEpisode], held_out: float, only_successful: bool) -> tuple[Dataset, Dataset]:
    """Training and held-out frames: of the episodes that are used, the last `held_out` part (one at least).

    An episode without a word on success, as from a robot, counts as successful, and so does one in which a policy drove
    while an expert said what to do.

    Raises:
        LosslessError: fewer than two episodes to use.
    """
    used = [e for e in episodes if not only_successful or e.info.get("success", True) or e.info.get("labelled")]
    if len(used) < 2:
        raise LosslessError(
            f"{len(used)} of {len(episodes)} episodes can be trained on, expected at least 2 "
            f"({'successful ones; only_successful: false takes all' if only_successful else 'one is held out'})"
        )
    last = max(1, math.floor(held_out * len(used)))
    return Dataset(used[:-last]), Dataset(used[-last:])

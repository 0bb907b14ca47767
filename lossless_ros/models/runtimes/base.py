"""The interface that every inference runtime implements."""

from typing import Protocol

from torch import Tensor


class Runner(Protocol):
    """One network on one backbone, ready to run."""

    def __call__(self, images: Tensor, proprioception: Tensor) -> Tensor:
        """Return the head outputs (B, T * W) for images (cameras * B, 3, S, S) in 0..1 and proprioception (B, P)."""

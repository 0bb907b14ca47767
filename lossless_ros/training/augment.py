"""Random shift and color of a batch of images, reproducible from the generator it is given."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class BatchRng:
    """Random numbers for the images `part` of `count`: those that they would get in a batch of all."""

    count: int
    part: np.ndarray
    generator: torch.Generator

    def uniform(self, *shape: int) -> Tensor:
        """From -1 to 1, for each image (len(part), *shape)."""
        return 2 * torch.rand(self.count, *shape, generator=self.generator)[self.part] - 1

    def integers(self, below: int, *shape: int) -> Tensor:
        """From 0 on, for each image (len(part), *shape)."""
        return torch.randint(0, below, (self.count, *shape), generator=self.generator)[self.part]


def augment(images: Tensor, shift: float, color: float, draws: BatchRng) -> Tensor:
    """Each image (N, 3, S, S) in 0..1 moved by up to `shift` of its width, and its colors varied by up to `color`."""
    return color_jitter(random_shift(images, shift, draws), color, draws)


def random_shift(images: Tensor, shift: float, draws: BatchRng) -> Tensor:
    """Shift by whole pixels, edges repeated."""
    pad = round(shift * images.shape[-1])
    if pad == 0:
        return images
    size = images.shape[-1]
    padded = functional.pad(images, (pad, pad, pad, pad), mode="replicate")
    offsets = draws.integers(2 * pad + 1, 2).tolist()
    moved = [padded[i, :, y : y + size, x : x + size] for i, (y, x) in enumerate(offsets)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def color_jitter(images: Tensor, color: float, draws: BatchRng) -> Tensor:
    """Contrast about the image's mean, brightness, and the gain of each channel."""
    if color == 0:
        return images
    contrast, brightness, gain = (draws.uniform(n, 1, 1).to(images.device) * color for n in (1, 1, 3))
    mean = images.mean((1, 2, 3), keepdim=True)
    return (((images - mean) * (1 + contrast) + mean + brightness / 2) * (1 + gain)).clamp(0, 1)

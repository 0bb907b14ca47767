"""Random shift and colour of a batch of images, reproducible from the generator it is given."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Draws:
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


def augment(images: Tensor, shift: float, colour: float, draws: Draws) -> Tensor:
    """Each image (N, 3, S, S) in 0..1 moved by up to `shift` of its width, and its colours varied by up to `colour`."""
    return vary_colour(move(images, shift, draws), colour, draws)


def move(images: Tensor, shift: float, draws: Draws) -> Tensor:
    """Shift by whole pixels, edges repeated."""
    pad = round(shift * images.shape[-1])
    if pad == 0:
        return images
    size = images.shape[-1]
    padded = functional.pad(images, (pad, pad, pad, pad), mode="replicate")
    offsets = draws.integers(2 * pad + 1, 2).tolist()
    moved = [padded[i, :, y : y + size, x : x + size] for i, (y, x) in enumerate(offsets)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def vary_colour(images: Tensor, colour: float, draws: Draws) -> Tensor:
    """Contrast about the image's mean, brightness, and the gain of each channel."""
    if colour == 0:
        return images
    contrast, brightness, gain = (draws.uniform(n, 1, 1).to(images.device) * colour for n in (1, 1, 3))
    mean = images.mean((1, 2, 3), keepdim=True)
    return (((images - mean) * (1 + contrast) + mean + brightness / 2) * (1 + gain)).clamp(0, 1)

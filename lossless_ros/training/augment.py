"""Random shift and color jitter for a batch of images."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class BatchRng:
    """Random numbers for some images of a batch, the same as if the whole batch were augmented.

    Attributes:
        count: images in the whole batch.
        selected: positions of the images that are augmented here (N,).
        generator: source of the random numbers, on the CPU.
    """

    count: int
    selected: np.ndarray
    generator: torch.Generator

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers from -1 to 1 for each selected image (N, *shape)."""
        return 2 * torch.rand(self.count, *shape, generator=self.generator)[self.selected] - 1

    def integers(self, below: int, *shape: int) -> Tensor:
        """Return integers from 0 to `below` - 1 for each selected image (N, *shape)."""
        return torch.randint(0, below, (self.count, *shape), generator=self.generator)[self.selected]


def augment(images: Tensor, shift: float, color: float, rng: BatchRng) -> Tensor:
    """Return images (N, 3, S, S) in 0..1 after a random shift and color jitter."""
    return color_jitter(random_shift(images, shift, rng), color, rng)


def random_shift(images: Tensor, shift: float, rng: BatchRng) -> Tensor:
    """Shift each image by whole pixels, up to `shift` of its width in x and y; edge pixels are repeated."""
    pad = round(shift * images.shape[-1])
    if pad == 0:
        return images
    size = images.shape[-1]
    padded = functional.pad(images, (pad, pad, pad, pad), mode="replicate")
    offsets = rng.integers(2 * pad + 1, 2).tolist()
    shifted = [padded[i, :, y : y + size, x : x + size] for i, (y, x) in enumerate(offsets)]
    return torch.stack(shifted).contiguous(memory_format=torch.channels_last)


def color_jitter(images: Tensor, color: float, rng: BatchRng) -> Tensor:
    """Vary contrast about the image's mean, brightness, and the gain of each channel, by up to `color`."""
    if color == 0:
        return images
    contrast, brightness, gain = (rng.uniform(n, 1, 1).to(images.device) * color for n in (1, 1, 3))
    mean = images.mean((1, 2, 3), keepdim=True)
    return (((images - mean) * (1 + contrast) + mean + brightness / 2) * (1 + gain)).clamp(0, 1)

"""Random shift and colour of a batch of images, reproducible from the generator it is given."""

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, shift: float, colour: float, generator: torch.Generator) -> Tensor:
    """Each image (N, 3, S, S) in 0..1 moved by up to `shift` of its width, and its colours varied by up to `colour`."""
    return vary_colour(move(images, shift, generator), colour, generator)


def move(images: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """Shift by whole pixels, edges repeated."""
    pad = round(shift * images.shape[-1])
    if pad == 0:
        return images
    count, size = len(images), images.shape[-1]
    padded = functional.pad(images, (pad, pad, pad, pad), mode="replicate")
    offsets = torch.randint(0, 2 * pad + 1, (count, 2), generator=generator).tolist()
    moved = [padded[i, :, y : y + size, x : x + size] for i, (y, x) in enumerate(offsets)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)


def vary_colour(images: Tensor, colour: float, generator: torch.Generator) -> Tensor:
    """Contrast about the image's mean, brightness, and the gain of each channel."""
    if colour == 0:
        return images
    contrast, brightness, gain = (
        (2 * torch.rand(len(images), n, 1, 1, generator=generator) - 1).to(images.device) * colour for n in (1, 1, 3)
    )
    mean = images.mean((1, 2, 3), keepdim=True)
    return (((images - mean) * (1 + contrast) + mean + brightness / 2) * (1 + gain)).clamp(0, 1)

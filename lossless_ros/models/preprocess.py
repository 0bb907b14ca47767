"""From camera images to a backbone's input: resize, then normalize. Training and robot use the same lines."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.models.backbones import Preprocessing


def to_batch(cameras: Sequence[np.ndarray], size: int, how: Preprocessing, device: torch.device | str) -> Tensor:
    """One batch of floats 0..1 (cameras * B, 3, size, size) from each camera's images (B, H, W, 3) uint8 RGB.

    A camera whose images are `size` already is not resampled. The channels stay innermost in memory (channels_last),
    as cameras give them: convolutions on a CPU are up to twice as fast that way.
    """
    batches = []
    for images in cameras:
        x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != (size, size):
            x = functional.interpolate(x, (size, size), mode=how.interpolation, antialias=True).clamp(0, 1)
        batches.append(x)
    return torch.cat(batches)


def normalize(images: Tensor, how: Preprocessing) -> Tensor:
    """Subtract the backbone's mean and divide by its deviation, per channel."""
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (how.mean, how.std))
    return (images - mean) / std

"""Turn camera images into a backbone's input: resize, then normalize. Training and robot share this code."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.models.backbones import Preprocessing


def to_batch(
    cameras: Sequence[np.ndarray], size: int, preprocessing: Preprocessing, device: torch.device | str
) -> Tensor:
    """Return one float batch (cameras * B, 3, size, size) in 0..1, cameras outermost.

    `cameras` holds each camera's images (B, H, W, 3) uint8 RGB. Images of the right size are not resampled. The batch
    keeps the cameras' memory layout (channels_last), with which CPU convolutions are up to twice as fast.
    """
    batches = []
    for images in cameras:
        x = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device).permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != (size, size):
            x = functional.interpolate(x, (size, size), mode=preprocessing.interpolation, antialias=True).clamp(0, 1)
        batches.append(x)
    return torch.cat(batches)


def normalize(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return images (B, 3, H, W) minus the backbone's mean, divided by its standard deviation, per channel."""
    mean, std = (
        torch.tensor(values, device=images.device)[:, None, None] for values in (preprocessing.mean, preprocessing.std)
    )
    return (images - mean) / std

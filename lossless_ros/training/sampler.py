"""Frames and random numbers of a training step, functions of seed and step alone: a resumed run draws the same."""

import numpy as np
import torch


def batch_indices(num_frames: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Return the frames (B,) of a step; every epoch is a permutation of all frames, cut into whole batches."""
    batch_size = min(batch_size, num_frames)
    epoch, batch = divmod(step, num_frames // batch_size)
    permutation = np.random.default_rng((seed, epoch)).permutation(num_frames)
    return permutation[batch * batch_size : (batch + 1) * batch_size]


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the generator of a step's random numbers, on the CPU."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))

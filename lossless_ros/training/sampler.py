"""Which frames a step sees, and its random numbers: functions of seed and step, so that a resumed run goes on alike."""

import numpy as np
import torch


def indices(count: int, batch: int, seed: int, step: int) -> np.ndarray:
    """The frames (B,) of a step: each epoch is a shuffle of all `count` frames, cut into whole batches."""
    batch = min(batch, count)
    epoch, place = divmod(step, count // batch)
    return np.random.default_rng((seed, epoch)).permutation(count)[place * batch : (place + 1) * batch]


def generator(seed: int, step: int) -> torch.Generator:
    """Random numbers of a step, on the CPU."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))

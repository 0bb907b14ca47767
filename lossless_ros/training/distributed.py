"""Several processes, started by torchrun, that train one policy: each takes its part of every batch."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import distributed

from lossless_ros.errors import LosslessError

_PATIENCE = timedelta(days=1)  # the others wait while the first one computes features


@dataclass(frozen=True)
class Group:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def part(self, count: int) -> np.ndarray:
        """Which of `count` things are this process's."""
        return np.arange(self.rank, count, self.size)

    def mean(self, value: torch.Tensor) -> float:
        """The mean over all processes of a number that each of them has."""
        if self.size > 1:
            value = value.detach().clone()
            distributed.all_reduce(value)
        return value.item() / self.size

    @contextlib.contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process does what is inside before the others do it."""
        if self.size > 1 and not self.first:
            distributed.barrier()
        yield
        if self.size > 1 and self.first:
            distributed.barrier()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[tuple[Group, torch.device]]:
    """The group that torchrun's environment describes (else this process alone), and the device of this process.

    Raises:
        LosslessError: more processes on this machine than it has GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(), device
        return
    if device.type == "cuda":
        here, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if here >= there:
            raise LosslessError(f"process {here + 1} on this machine has no GPU: it has {there}; give --nproc-per-node")
        device = torch.device("cuda", here)
        torch.cuda.set_device(device)
    own = device if device.type == "cuda" else None
    distributed.init_process_group("nccl" if own else "gloo", timeout=_PATIENCE, device_id=own)
    try:
        yield Group(distributed.get_rank(), size), device
    finally:
        distributed.destroy_process_group()

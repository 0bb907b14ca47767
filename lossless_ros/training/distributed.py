"""Data-parallel training: processes started by torchrun train one policy, each on its share of every batch."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import distributed

from lossless_ros.errors import LosslessError

_TIMEOUT = timedelta(days=1)  # the other processes wait while the main one decodes episodes and computes features


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train together.

    Attributes:
        device: what this process computes on.
        rank: number of this process, from 0.
        size: number of processes.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def share(self, count: int) -> np.ndarray:
        """Return which of `count` items this process computes."""
        return np.arange(self.rank, count, self.size)

    def mean(self, value: torch.Tensor) -> float:
        """Return the mean of a scalar over all processes."""
        if self.size > 1:
            value = value.detach().clone()
            distributed.all_reduce(value)
        return value.item() / self.size

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """Run the block in the main process before the others run it."""
        if self.size > 1 and not self.is_main:
            distributed.barrier()
        yield
        if self.size > 1 and self.is_main:
            distributed.barrier()


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the group that torchrun's environment describes; without it, yield a group of this process alone.

    With several processes on GPUs, each gets the GPU of its local rank.

    Raises:
        LosslessError: more processes on this machine than GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup(device)
        return
    if device.type == "cuda":
        local_rank, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local_rank >= gpus:
            raise LosslessError(
                f"process {local_rank + 1} on this machine has no GPU: it has {gpus}; give --nproc-per-node"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    gpu = device if device.type == "cuda" else None
    distributed.init_process_group("nccl" if gpu else "gloo", timeout=_TIMEOUT, device_id=gpu)
    try:
        yield ProcessGroup(device, distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()

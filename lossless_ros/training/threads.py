"""How many processor threads to compute with: on a busy machine threads wait for each other, and one is quicker."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads inside, None for torch's own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def quickest(work: Callable[[], object]) -> int:
    """1 or all of the processors that this process may use, whichever does `work` sooner at this moment."""
    seconds = {}
    for count in sorted({1, len(os.sched_getaffinity(0))}):
        with threads(count):
            work()
            begin = time.perf_counter()
            for _ in range(2):
                work()
            seconds[count] = time.perf_counter() - begin
    return min(seconds, key=lambda count: seconds[count])

"""Number of CPU threads for torch: on a busy machine a single thread can be faster than several."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads inside the block; None for torch's own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def faster_thread_count(work: Callable[[], object]) -> int:
    """Return the faster of 1 and all available threads for `work`, measured now."""
    seconds = {}
    for count in sorted({1, len(os.sched_getaffinity(0))}):
        with limited_threads(count):
            work()
            start = time.perf_counter()
            for _ in range(2):
                work()
            seconds[count] = time.perf_counter() - start
    return min(seconds, key=lambda count: seconds[count])

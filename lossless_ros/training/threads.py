"""Number of CPU threads for torch: on a busy machine a single thread can be faster than several."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import torch

from lossless_ros.models.backbones import Backbone
from lossless_ros.training.hyperparameters import Hyperparameters


@contextlib.contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads inside the block; None for torch's own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(config: Hyperparameters, device: torch.device, backbone: Backbone, image_size: int) -> int | None:
    """Return the number of threads of the hyperparameters, or with a time budget the faster of one and all.

    None leaves the choice to torch, which makes it the same for every run on a machine.
    """
    if config.threads is not None or config.max_minutes is None or device.type != "cpu":
        return config.threads
    images = torch.zeros(16, 3, image_size, image_size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return faster_thread_count(lambda: backbone.features(images))


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

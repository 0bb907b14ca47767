"""The same seed gives the same bundle on a GPU too: sums are added up in the same order every time."""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch.utils import deterministic as torch_deterministic


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Compute so inside, with a warning by torch where it cannot; a processor does anyway."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may choose anew
    before = torch.get_deterministic_debug_mode(), torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch_deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # takes time, and is for finding bugs
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        torch_deterministic.fill_uninitialized_memory = before[1]  # type: ignore[attr-defined]

"""Deterministic training on a GPU: the same seed gives the same bundle."""

import contextlib
import os
from collections.abc import Iterator

import torch
from torch.utils import deterministic as torch_deterministic


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Use deterministic algorithms inside the block; torch warns where it has none. On a CPU they always are."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without a fixed workspace cuBLAS is nondeterministic
    before = torch.get_deterministic_debug_mode(), torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch_deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid, and slow
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        torch_deterministic.fill_uninitialized_memory = before[1]  # type: ignore[attr-defined]

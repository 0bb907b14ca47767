"""Turn CPU and GPU out-of-memory errors into one-line user errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lossless_ros.errors import LosslessError

_MESSAGES = (  # torch and the CUDA libraries share no exception type for these
    "can't allocate memory",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "NVML_SUCCESS == r INTERNAL ASSERT FAILED",  # from the drivers of small boards such as Jetson
)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(m in str(error) for m in _MESSAGES)


@contextmanager
def explain_out_of_memory(where: str, advice: str) -> Iterator[None]:
    """Re-raise out-of-memory errors of the block as `out of memory WHERE; ADVICE`; other errors pass through.

    Raises:
        LosslessError: the block ran out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise LosslessError(f"out of memory {where}; {advice}") from None

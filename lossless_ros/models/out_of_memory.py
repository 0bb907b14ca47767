"""Memory that cannot be had, on a processor or a GPU, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lossless_ros.errors import LosslessError

_SAID = (  # by torch and CUDA's libraries, which have no common type of error; the last one by small boards' drivers
    "can't allocate memory",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "NVML_SUCCESS == r INTERNAL ASSERT FAILED",
)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch or a library of CUDA could not get memory."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(text in str(error) for text in _SAID)


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Turn errors of memory inside into `out of memory WHAT; ADVICE`.

    Raises:
        LosslessError: there was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise LosslessError(f"out of memory {what}; {advice}") from None

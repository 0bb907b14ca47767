"""Errors of memory are told in one line, whoever says them; other errors pass."""

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.models.out_of_memory import enough_memory

SAID = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":1131'),
]


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error)[:20])
def test_memory_that_is_not_there_is_one_line(error):
    line = "^out of memory on cuda; try a smaller backbone$"
    with pytest.raises(LosslessError, match=line), enough_memory("on cuda", "try a smaller backbone"):
        raise error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shape"), enough_memory("on cuda", "try"):
        raise RuntimeError("shape mismatch")

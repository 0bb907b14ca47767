"""Out-of-memory errors of Python, torch and CUDA become one line; other errors pass through."""

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.models.out_of_memory import explain_out_of_memory

ERRORS = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp":1131'),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_out_of_memory_is_a_one_line_error_with_advice(error):
    line = "^out of memory on cuda; try a smaller backbone$"
    with pytest.raises(LosslessError, match=line), explain_out_of_memory("on cuda", "try a smaller backbone"):
        raise error


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shape"), explain_out_of_memory("on cuda", "try"):
        raise RuntimeError("shape mismatch")

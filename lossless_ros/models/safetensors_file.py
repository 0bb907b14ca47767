"""Safetensors files, read and not mapped: a file that is overwritten meanwhile gives an error, not a SIGBUS."""

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossless_ros.contract.size_limits import FileLimits

if TYPE_CHECKING:
    from torch import Tensor

_DTYPES = {  # name in the file -> name in numpy and torch, bytes per value
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),  # torch only
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
_MAX_DIMS = 8


class FormatError(ValueError):
    """Not a safetensors file that can be read; the text says why."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file: its type, shape and bytes (first, end) in the data after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class SafetensorsFile:
    """An open file whose header has been read and checked. A context manager.

    Large reads release the interpreter, and what holds it takes milliseconds: the header is small.

    Attributes:
        metadata: the texts under `__metadata__`.
        tensors: what is stored, by name.
    """

    def __init__(self, path: Path, limits: FileLimits) -> None:
        """Open `path` and read its header.

        Raises:
            FormatError: it is larger than `limits`, or not a complete safetensors file.
            OSError: it cannot be read.
        """
        self._file = path.open("rb", buffering=0)
        try:
            size = os.fstat(self._file.fileno()).st_size
            if size > limits.file:
                raise FormatError(f"{_megabytes(size)}, at most {_megabytes(limits.file)} are read")
            length = int.from_bytes(bytes(self._read(0, 8)), "little")
            if length > limits.header:
                raise FormatError(f"a header of {_megabytes(length)}, at most {_megabytes(limits.header)} are read")
            self._data = 8 + length
            header = _parse(bytes(self._read(8, length)))
            self.metadata = _metadata(header.pop("__metadata__", {}))
            self.tensors = {name: _stored(name, entry) for name, entry in header.items()}
            _check_layout(self.tensors, size - self._data)
        except BaseException:
            self._file.close()
            raise

    def arrays(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return some of the tensors as numpy arrays.

        Raises:
            FormatError: a type that numpy does not have, or the file became shorter.
        """
        return {name: self._array(name) for name in names}

    def load(self) -> "dict[str, Tensor]":
        """Return all tensors as torch tensors, from one read of the file.

        Raises:
            FormatError: the file became shorter.
        """
        import torch

        end = max((tensor.end for tensor in self.tensors.values()), default=0)
        data = self._read(self._data, end)

        def tensor(stored: StoredTensor) -> "Tensor":
            values = torch.from_numpy(data[stored.begin : stored.end])
            return values.view(getattr(torch, _DTYPES[stored.dtype][0])).reshape(stored.shape)

        return {name: tensor(stored) for name, stored in self.tensors.items()}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "SafetensorsFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _array(self, name: str) -> np.ndarray:
        stored = self.tensors[name]
        if stored.dtype == "BF16":
            raise FormatError(f"tensor {name[:80]} has type BF16, which numpy does not have")
        return (
            self._read(self._data + stored.begin, stored.end - stored.begin)
            .view(_DTYPES[stored.dtype][0])
            .reshape(stored.shape)
        )

    def _read(self, begin: int, size: int) -> np.ndarray:
        """Return bytes (size,) uint8 of the file."""
        data = np.empty(size, np.uint8)
        view, done = data.data, 0
        self._file.seek(begin)
        while done < size:
            read = self._file.readinto(view[done:])
            if not read:
                raise FormatError(f"it ends before byte {begin + size}")
            done += read
        return data


def _parse(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a header."""
    try:
        header = json.loads(text.decode())
        json.dumps(header, ensure_ascii=False).encode()  # single surrogates
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header is not JSON: {' '.join(str(error).split())[:80]}") from None
    if not isinstance(header, dict):
        raise FormatError("its header is not a JSON object")
    return header


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise FormatError("its metadata are not texts by name")
    return value


def _stored(name: str, entry: Any) -> StoredTensor:
    """Return a header's entry, checked."""
    is_natural: Callable[[Any], bool] = lambda number: type(number) is int and number >= 0  # noqa: E731
    dtype, shape, offsets = (
        entry.get(k) if isinstance(entry, dict) else None for k in ("dtype", "shape", "data_offsets")
    )
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise FormatError(f"tensor {name[:80]} has type {str(dtype)[:20]}, expected one of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMS or not all(map(is_natural, shape)):
        raise FormatError(f"tensor {name[:80]} has no valid shape")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(is_natural, offsets)):
        raise FormatError(f"tensor {name[:80]} has no valid data_offsets")
    stored = StoredTensor(dtype, tuple(shape), *offsets)
    if stored.end - stored.begin != math.prod(shape) * _DTYPES[dtype][1]:
        raise FormatError(f"tensor {name[:80]} has {stored.end - stored.begin} bytes, which do not fit its shape")
    return stored


def _check_layout(tensors: dict[str, StoredTensor], size: int) -> None:
    """Check that the tensors fill the `size` bytes after the header, one after the other."""
    end = 0
    for name, stored in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if stored.begin != end:
            raise FormatError(f"tensor {name[:80]} begins at byte {stored.begin}, expected {end}")
        end = stored.end
    if end != size:
        raise FormatError(f"incomplete: {size} bytes of tensors, expected {end}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e12 else f"{size / 1e12:.3g} TB"

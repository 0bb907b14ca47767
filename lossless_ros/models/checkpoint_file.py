"""Tensors in checkpoint files, whatever else is in them. Nothing in a file is executed."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lossless_ros.contract.size_limits import WEIGHTS_LIMITS
from lossless_ros.errors import LosslessError
from lossless_ros.models.safetensors_file import FormatError, SafetensorsFile

_MAX_DEPTH = 8  # of mappings in mappings


def split_selection(path: Path) -> tuple[Path, str]:
    """Return the file and the name of `FILE#name`; a file whose own name has a # is taken as it is."""
    file, mark, name = str(path).rpartition("#")
    return (Path(file), name) if mark and not path.exists() else (path, "")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the tensors of a checkpoint by name; those in mappings of mappings have dotted names.

    Safetensors and torch's format are told apart by their content. Objects beside the tensors, such as the settings of
    a training run, are skipped.

    Raises:
        LosslessError: no such file, or not a checkpoint of tensors.
    """
    if not path.is_file():
        raise LosslessError(f"no such file: {path} (expected a checkpoint)")
    try:
        state = _read(path)
    except LosslessError:
        raise
    except Exception as error:  # torch raises many types on damaged files
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise LosslessError(f"{path} is not a checkpoint of tensors: {why}") from None
    tensors = dict(_flat(state))
    if not tensors:
        raise LosslessError(f"{path}: expected a mapping from names to tensors")
    return tensors


def _read(path: Path) -> Any:
    import torch

    with path.open("rb") as file:
        begin = file.read(10)
    if begin[8:9] == b"{":
        with SafetensorsFile(path, WEIGHTS_LIMITS) as weights:
            return weights.load()
    if path.suffix == ".safetensors" and begin[:2] != b"PK" and begin[:1] != b"\x80":
        raise FormatError("not a complete safetensors file")
    if begin[:2] == b"PK" and any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(path).namelist()):
        raise LosslessError(
            f"{path} is a TorchScript archive; save its tensors alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
        )
    with path.open("rb") as file:  # given a path, torch goes by its suffix
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # objects of other classes
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=False, pickle_module=_TENSORS_ONLY)


def _flat(state: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of mappings in mappings."""
    import torch

    if isinstance(state, Mapping) and depth < _MAX_DEPTH:
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                yield f"{prefix}{name}", value
            else:
                yield from _flat(value, f"{prefix}{name}.", depth + 1)


class _Skipped:
    """Stands for an object of any other class; takes whatever a pickle does to it, and does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __new__(cls, *arguments: Any, **named: Any) -> "_Skipped":
        return super().__new__(cls)

    def __call__(self, *arguments: Any, **named: Any) -> "_Skipped":
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def add(self, value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)


class _Unpickler(pickle.Unpickler):
    """Builds tensors, and puts `_Skipped` in the place of everything else that would be imported and called."""

    def find_class(self, module: str, name: str) -> Any:
        import torch
        from torch import _utils

        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"):
            return getattr(_utils, name)
        if module == "torch" and name in ("Size", "device"):
            return getattr(torch, name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return _Skipped  # torch itself finds its storages


_TENSORS_ONLY = SimpleNamespace(
    __name__="tensors only", Unpickler=_Unpickler, load=lambda file, **options: _Unpickler(file, **options).load()
)

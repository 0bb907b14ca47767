"""Frozen dataclasses from mappings (YAML, JSON): unknown keys and wrong types are errors."""

import dataclasses
import reprlib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lossless_ros.errors import LosslessError

T = TypeVar("T")
_REPR = reprlib.Repr()
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100


def load_yaml(path: Path) -> dict[str, Any]:
    """Load the mapping in a YAML file.

    Raises:
        LosslessError: the file cannot be read or does not hold a mapping.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:  # bad dates, deep nesting
        raise LosslessError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise LosslessError(f"{path}: expected a mapping at the top, got {type(data).__name__}")
    return data


def from_mapping(cls: type[T], data: Any, where: str) -> T:
    """Build an instance of the dataclass `cls` from a mapping, including nested dataclasses and tuples of them.

    Args:
        cls: a dataclass.
        data: its fields by name.
        where: file and key for error messages.

    Raises:
        LosslessError: a key is unknown, missing or of the wrong type.
    """
    if not isinstance(data, Mapping):
        raise LosslessError(f"{where}: expected a mapping, got {_short(data)}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise LosslessError(f"{where}: unknown key '{str(key)[:100]}'; known: {', '.join(fields)}")
    required = (n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING)
    missing = [name for name in required if name not in data]
    if missing:
        raise LosslessError(f"{where}: missing key '{missing[0]}'")
    hints = get_type_hints(cls)
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise LosslessError(f"{where}: {error}") from None


def rename_keys(data: Mapping[str, Any], renamed: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return `data` with its old keys under their new names (`renamed`: old -> new).

    Raises:
        LosslessError: a setting is given under both names.
    """
    for old, new in renamed.items():
        if old in data and new in data:
            raise LosslessError(f"{where}: '{old}' is the old name of '{new}'; keep '{new}'")
    return {renamed.get(key, key): value for key, value in data.items()}


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint`, or raise a LosslessError that names both."""
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise LosslessError(f"{where}: {_short(value)} is too large for a number") from None
    if hint is Any:
        return value
    if isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise LosslessError(f"{where}: expected {name}, got {_short(value)}")


def _short(value: Any) -> str:
    """Return a value for an error message; files may hold values of any size."""
    try:
        text = _REPR.repr(value)
        return text if len(text) <= 200 else f"{text[:200]}..."
    except ValueError:  # more digits than Python writes
        return "a number with thousands of digits"

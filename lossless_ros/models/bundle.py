"""A bundle: one task's adapters, head, statistics, contract and provenance in one safetensors file."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.contract.config import from_mapping, rename_keys
from lossless_ros.contract.names import check_text
from lossless_ros.contract.size_limits import BUNDLE_LIMITS
from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically
from lossless_ros.models import legacy
from lossless_ros.models.execution import Execution
from lossless_ros.models.network_config import NetworkConfig
from lossless_ros.models.safetensors_file import FormatError, SafetensorsFile
from lossless_ros.models.training_statistics import PREFIX, TrainingStatistics, statistics_from_arrays
from lossless_ros.paths import find_bundle

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "lossless_ros bundle"
FORMAT_VERSION = 2  # version 1 has other names of network keys and tensors, see `legacy`
DTYPES = ("float32", "float16")  # in which trained tensors are stored; they are float32 again once loaded
_REQUIRED_KEYS = ("task", "mode", "contract", "backbone", "fingerprint", "network", "provenance", "content")


@dataclass(frozen=True)
class Bundle:
    """The metadata of a bundle, and the statistics of its training data."""

    task: str
    mode: str  # of training: adapters, frozen, full, ...
    contract: Contract
    backbone: str  # name of the backbone that the policy was trained on
    fingerprint: str  # of that backbone, see `backbones.fingerprint`
    network: NetworkConfig
    provenance: dict[str, Any] = field(default_factory=dict)  # how it was trained
    source: str = ""  # where the backbone's weights came from; the fingerprint decides whether they are the right ones
    execution: Execution = field(default_factory=Execution)  # which of the predicted actions are executed
    dtype: str = "float32"  # in which the trained tensors are stored; statistics are always float32
    statistics: TrainingStatistics | None = field(default=None, compare=False)  # of the training data
    hash: str = ""  # sha256 over tensors and metadata; empty until saved


def save_bundle(path: Path, bundle: Bundle, tensors: "Mapping[str, Tensor]") -> Bundle:
    """Write a bundle file atomically and return the bundle with its hash.

    Args:
        path: the file.
        bundle: its metadata and statistics; `hash` is computed.
        tensors: the network's state dict.

    Raises:
        LosslessError: the file cannot be written, or a tensor has values that the bundle's dtype cannot hold.
    """
    from safetensors.torch import save
    from torch import from_numpy

    statistics = bundle.statistics.to_arrays() if bundle.statistics else {}
    tensors = {name: _stored(name, t, bundle.dtype).contiguous() for name, t in tensors.items()}
    tensors |= {name: from_numpy(array) for name, array in statistics.items()}
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "task": bundle.task,
        "mode": bundle.mode,
        "contract": bundle.contract.to_json(),
        "backbone": bundle.backbone,
        "fingerprint": bundle.fingerprint,
        "source": bundle.source,
        "network": json.dumps(dataclasses.asdict(bundle.network), sort_keys=True),
        "provenance": json.dumps(bundle.provenance, sort_keys=True),
        "execution": str(bundle.execution),
        "dtype": bundle.dtype,
    }
    metadata["content"] = _content_hash(metadata, {n: t.numpy() for n, t in tensors.items()})
    write_atomically(path, save(tensors, metadata))
    return dataclasses.replace(bundle, hash=metadata["content"])


def read_bundle(path: Path | str) -> Bundle:
    """Read a bundle's metadata and statistics without its other tensors; fast, and without importing torch.

    Args:
        path: the file, or the name of a shipped bundle.

    Raises:
        LosslessError: the name is unknown, or the file is missing, damaged, not a bundle, or of a newer format.
    """
    with BundleFile(path) as file:
        return file.bundle


def load_bundle(path: Path | str) -> "tuple[Bundle, dict[str, Tensor]]":
    """Read a bundle and the tensors of its network, see `BundleFile.load`.

    Raises:
        LosslessError: as `read_bundle`, or the content does not match the hash.
    """
    with BundleFile(path) as file:
        return file.bundle, file.load()


class BundleFile:
    """An open bundle whose header has been read and checked; a context manager. A file renamed over it changes nothing.

    Attributes:
        bundle: the metadata and statistics.
        shapes: of the tensors of the network, by name.
    """

    def __init__(self, path: Path | str) -> None:
        """Open a file, or a shipped bundle by its name.

        Raises:
            LosslessError: as `read_bundle`.
        """
        self._path = path
        self._file = _open(path)
        try:
            with _one_line(path):
                self.bundle = _describe(path, self._file)
            shapes = {name: stored.shape for name, stored in self._file.tensors.items() if not _describes_data(name)}
            self.shapes = self._todays_names(shapes)
        except BaseException:
            self._file.close()
            raise

    def load(self) -> "dict[str, Tensor]":
        """Read the tensors of the network as float32, checked against the hash in the file.

        Tensors of format 1 get today's names.

        Raises:
            LosslessError: the content does not match the hash, or the file became shorter.
        """
        with _one_line(self._path):
            tensors = self._file.load()
        if _content_hash(self._file.metadata, {n: t.numpy() for n, t in tensors.items()}) != self.bundle.hash:
            raise LosslessError(
                f"{self._path}: content was changed after writing (hash differs); copy it again or train again"
            )
        tensors = self._todays_names({name: tensor for name, tensor in tensors.items() if not _describes_data(name)})
        return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}

    def __enter__(self) -> "BundleFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def _todays_names(self, values: dict[str, Any]) -> dict[str, Any]:
        return legacy.rename_tensors(values) if self._file.metadata["format_version"] == "1" else values


def _describe(path: Path | str, file: SafetensorsFile) -> Bundle:
    """Return the metadata and statistics of an open bundle."""
    metadata = _check_metadata(path, file.metadata)
    arrays = file.arrays(name for name in file.tensors if _describes_data(name))
    parts = {k: _json(path, k, metadata[k]) for k in ("contract", "network", "provenance")}
    if metadata["format_version"] == "1":
        parts["network"] = rename_keys(parts["network"], legacy.NETWORK_KEYS, f"{path}: network")
    bundle = Bundle(
        task=metadata["task"],
        mode=metadata["mode"],
        contract=from_mapping(Contract, parts["contract"], f"{path}: contract"),
        backbone=metadata["backbone"],
        fingerprint=metadata["fingerprint"],
        network=from_mapping(NetworkConfig, parts["network"], f"{path}: network"),
        provenance=parts["provenance"],
        source=metadata.get("source", ""),  # the first bundles do not have it
        dtype=metadata.get("dtype", "float32"),
        hash=metadata["content"],
    )
    try:
        for name in ("task", "mode", "backbone"):
            check_text(name, getattr(bundle, name))
        bundle = dataclasses.replace(bundle, statistics=statistics_from_arrays(arrays, bundle.contract))
        return with_execution(bundle, metadata["execution"]) if "execution" in metadata else bundle
    except (LosslessError, ValueError) as error:
        raise LosslessError(f"{path}: {error}") from None


def with_execution(bundle: Bundle, execution: str) -> Bundle:
    """Return the bundle with another execution, given as text (see `Execution`).

    Raises:
        LosslessError: there is no such execution, or it does not fit the bundle's chunks.
    """
    try:
        return dataclasses.replace(bundle, execution=Execution.parse(execution, bundle.network.chunk_size))
    except ValueError as error:
        raise LosslessError(str(error)) from None


def copy_bundle(path: Path, out: Path, execution: str) -> Bundle:
    """Write a copy of a bundle that differs in its execution only, and return it.

    Raises:
        LosslessError: as `load_bundle`, `save_bundle` and `with_execution`.
    """
    bundle, tensors = load_bundle(path)
    return save_bundle(out, with_execution(bundle, execution), tensors)


def check_backbone(path: Path, bundle: Bundle, name: str, fingerprint: str) -> None:
    """Check that a backbone is the one that the bundle was trained on.

    Args:
        path: the bundle file, for the error message.
        bundle: its metadata.
        name: the backbone's name.
        fingerprint: the backbone's fingerprint.

    Raises:
        LosslessError: the backbone has another name or other weights.
    """
    if (name, fingerprint) != (bundle.backbone, bundle.fingerprint):
        raise LosslessError(
            f"{path} was trained on {bundle.backbone} ({bundle.fingerprint[:12]}), "
            f"not on {name} ({fingerprint[:12]}); use the backbone it was trained on, or train again"
        )


def round_to_dtype(tensors: "Mapping[str, Tensor]", dtype: str) -> None:
    """Round tensors in place to the values that a bundle of this dtype stores."""
    for name, tensor in tensors.items():
        tensor.copy_(_stored(name, tensor, dtype))


def _stored(name: str, tensor: "Tensor", dtype: str) -> "Tensor":
    """Return a tensor of the network as it is stored, on the CPU.

    Raises:
        LosslessError: it has finite values that are beyond the range of the dtype.
    """
    import torch

    tensor = tensor.detach().cpu()
    if dtype == "float32" or not tensor.is_floating_point() or _is_statistic(name):
        return tensor
    stored = tensor.to(getattr(torch, dtype))
    if not torch.equal(stored.isfinite(), tensor.isfinite()):
        raise LosslessError(f"tensor {name} has values beyond the range of {dtype}; use bundle_dtype: float32")
    return stored


def _is_statistic(name: str) -> bool:
    """Return whether a tensor was computed from data: of the proprioception, or of a trained backbone's BatchNorm."""
    return name in ("mean", "std") or name.rpartition(".")[2] in ("running_mean", "running_var")


def _describes_data(name: str) -> bool:
    """Return whether a tensor of a file is a statistic of the training data, not one of the network."""
    return name.startswith(PREFIX)


def _open(path: Path | str) -> SafetensorsFile:
    """Open a bundle file and read its header."""
    path = find_bundle(path)
    if path.is_dir():
        raise LosslessError(f"{path} is a folder, expected a bundle file written by lossless train")
    if not path.is_file():
        raise LosslessError(f"no such file: {path} (expected a bundle written by lossless train)")
    with _one_line(path):
        return SafetensorsFile(path, BUNDLE_LIMITS)


@contextlib.contextmanager
def _one_line(path: Path | str) -> Iterator[None]:
    """Turn the faults of a file into a LosslessError."""
    try:
        yield
    except (FormatError, OSError) as error:
        raise LosslessError(f"{path} is not a bundle: not a complete safetensors file ({error})") from None


def _check_metadata(path: Path | str, metadata: dict[str, str]) -> dict[str, str]:
    """Return the metadata if they are a bundle's and of a format that this version reads."""
    if metadata.get("format") != FORMAT:
        raise LosslessError(f"{path} is not a bundle: a safetensors file, but not written by lossless train")
    version = metadata.get("format_version", "")
    if version not in map(str, range(1, FORMAT_VERSION + 1)):
        raise LosslessError(
            f"{path} has bundle format {version[:20]}, this version reads up to {FORMAT_VERSION}; update lossless_ros"
        )
    missing = [k for k in _REQUIRED_KEYS if k not in metadata]
    if missing:
        raise LosslessError(f"{path} is not a bundle: its metadata lacks {', '.join(missing)}")
    return metadata


def _json(path: Path | str, key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # single surrogates
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise LosslessError(f"{path}: metadata key {key} is not a JSON object")
    return value


def _content_hash(metadata: Mapping[str, str], arrays: Mapping[str, Any]) -> str:
    """Return the sha256 over metadata and arrays, independent of their order."""
    digest = hashlib.sha256()
    for key in sorted(metadata.keys() - {"content"}):
        digest.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)  # without a copy
    return digest.hexdigest()

"""A bundle: one task's adapters, head, statistics, contract and provenance in one safetensors file."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossless_ros.contract import Contract
from lossless_ros.contract.config import from_mapping, rename_keys
from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically
from lossless_ros.models import legacy
from lossless_ros.models.network_config import NetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "lossless_ros bundle"
FORMAT_VERSION = 2  # 1 had other names of network keys and tensors, see `legacy`
_KEYS = ("task", "mode", "contract", "backbone", "fingerprint", "network", "provenance", "content")


@dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself."""

    task: str
    mode: str
    contract: Contract
    backbone: str  # name of the backbone that it was trained on,
    fingerprint: str  # and its fingerprint
    network: NetworkConfig
    provenance: dict[str, Any] = field(default_factory=dict)
    source: str = ""  # where the backbone's weights came from; the fingerprint decides
    hash: str = ""  # sha256 over tensors and metadata; empty until saved


def save_bundle(path: Path, bundle: Bundle, tensors: "Mapping[str, Tensor]") -> Bundle:
    """Write the file, whole or not at all, and return the bundle with its hash.

    Raises:
        LosslessError: the file cannot be written.
    """
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
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
    }
    metadata["content"] = _content_hash(metadata, {n: t.numpy() for n, t in tensors.items()})
    write_atomically(path, save(tensors, metadata))
    return dataclasses.replace(bundle, hash=metadata["content"])


def read_bundle(path: Path) -> Bundle:
    """What the bundle at `path` says of itself, without its tensors; quick, and needs no torch.

    Raises:
        LosslessError: no such file, no bundle, damaged, or of a newer format.
    """
    with _open(path, "numpy") as file:
        metadata = _check_metadata(path, file.metadata() or {})
    parts = {k: _json(path, k, metadata[k]) for k in ("contract", "network", "provenance")}
    if metadata["format_version"] == "1":
        parts["network"] = rename_keys(parts["network"], legacy.NETWORK_KEYS, f"{path}: network")
    return Bundle(
        metadata["task"],
        metadata["mode"],
        from_mapping(Contract, parts["contract"], f"{path}: contract"),
        metadata["backbone"],
        metadata["fingerprint"],
        from_mapping(NetworkConfig, parts["network"], f"{path}: network"),
        parts["provenance"],
        metadata.get("source", ""),  # not in the first bundles
        metadata["content"],
    )


def load_bundle(path: Path) -> "tuple[Bundle, dict[str, Tensor]]":
    """The bundle and its tensors, checked against the hash that the file carries.

    Raises:
        LosslessError: as `read_bundle`, or the content was changed after writing.
    """
    bundle = read_bundle(path)
    with _open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    if _content_hash(metadata, {n: t.numpy() for n, t in tensors.items()}) != bundle.hash:
        raise LosslessError(f"{path}: content was changed after it was written (hash differs); train or copy it again")
    if metadata["format_version"] == "1":
        tensors = legacy.rename_tensors(tensors)
    return bundle, tensors


def check_backbone(path: Path, bundle: Bundle, name: str, fingerprint: str) -> None:
    """Refuse a backbone that is not the one that the bundle was trained on.

    Raises:
        LosslessError: another name or other weights.
    """
    if (name, fingerprint) != (bundle.backbone, bundle.fingerprint):
        raise LosslessError(
            f"{path} was trained on {bundle.backbone} ({bundle.fingerprint[:12]}), "
            f"not on {name} ({fingerprint[:12]}); load that backbone or train again"
        )


def _open(path: Path, framework: str) -> Any:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise LosslessError(f"no such file: {path} (expected a bundle as written by lossless train)")
    try:
        return safe_open(path, framework)
    except (SafetensorError, OSError) as error:
        why = " ".join(str(error).split())
        raise LosslessError(f"{path} is no bundle: not a whole safetensors file ({why})") from None


def _check_metadata(path: Path, metadata: dict[str, str]) -> dict[str, str]:
    if metadata.get("format") != FORMAT:
        raise LosslessError(f"{path} is no bundle: a safetensors file, but not one that lossless train wrote")
    version = metadata.get("format_version", "")
    if not version.isdigit() or int(version) > FORMAT_VERSION:
        raise LosslessError(
            f"{path} has bundle format {version}, this version reads up to {FORMAT_VERSION}; update lossless_ros"
        )
    missing = [k for k in _KEYS if k not in metadata]
    if missing:
        raise LosslessError(f"{path} is no bundle: its metadata lack {', '.join(missing)}")
    return metadata


def _json(path: Path, key: str, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        raise LosslessError(f"{path}: {key} in its metadata is not readable") from None


def _content_hash(metadata: Mapping[str, str], arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for key in sorted(metadata.keys() - {"content"}):
        digest.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()

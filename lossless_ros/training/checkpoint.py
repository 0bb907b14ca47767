"""Checkpoint of an unfinished run, next to its bundle: written atomically, read without running code from the file."""

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically
from lossless_ros.models.legacy import rename_tensors
from lossless_ros.training.hyperparameters import Hyperparameters

FORMAT_VERSION = 2  # 1, of package version 0.1.0, carries no version; see `_upgrade`


@dataclass(frozen=True)
class RunIdentity:
    """What determines a run; a checkpoint resumes only a run of the same identity.

    Attributes:
        mode: training mode.
        backbone, fingerprint: name of the backbone and hash of its weights.
        training_key, held_out_key: hashes of the frames.
        contract: the contract as JSON.
        init_hash: content hash of the bundle that the run starts from; empty without one.
        hyperparameters: all of them.
    """

    mode: str
    backbone: str
    fingerprint: str
    training_key: str
    held_out_key: str
    contract: str
    init_hash: str
    hyperparameters: Hyperparameters

    def digest(self, version: int = FORMAT_VERSION) -> str:
        """Return the hash that a checkpoint of that format carries."""
        config = self.hyperparameters
        values = config.under_old_names() if version == 1 else config.identity()
        names = [field.name for field in dataclasses.fields(self) if field.name != "hyperparameters"]
        document = [*(getattr(self, name) for name in names), values]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def checkpoint_path(out: Path) -> Path:
    """Return the path of the checkpoint of a run that writes the bundle `out`."""
    return out.with_suffix(".checkpoint")


def write_checkpoint(out: Path, run: RunIdentity, state: dict[str, Any]) -> None:
    """Replace the checkpoint of the run that writes `out`.

    Args:
        out: the bundle's path.
        run: the run.
        state: see `Trainer.state`.

    Raises:
        LosslessError: it cannot be written; the previous checkpoint is kept.
    """
    data = io.BytesIO()
    torch.save({"format": FORMAT_VERSION, "run": run.digest(), **state}, data)
    write_atomically(checkpoint_path(out), data.getvalue())


def read_checkpoint(out: Path, run: RunIdentity) -> dict[str, Any]:
    """Read the state of the run that writes `out`, from a checkpoint of this or an earlier format.

    Raises:
        LosslessError: there is no checkpoint, it is damaged, of a newer format, or of another run.
    """
    path = checkpoint_path(out)
    if not path.is_file():
        raise LosslessError(f"nothing to resume: no checkpoint {path}; train without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version, digest = int(state.get("format", 1)), state["run"]
    except Exception:  # torch raises many kinds on damaged files
        raise LosslessError(f"{path} is damaged; remove it and train without --resume") from None
    if version > FORMAT_VERSION:
        raise LosslessError(
            f"{path} has checkpoint format {version}, this version reads up to {FORMAT_VERSION}; update lossless_ros"
        )
    if digest != run.digest(version):
        raise LosslessError(f"{path} is of a run with other data, backbone, mode or settings; train without --resume")
    return _upgrade(state) if version == 1 else state


def _upgrade(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state of format 1 under the current names."""
    kept = {key: state[key] for key in ("run", "step", "elapsed", "phase", "curve")}
    tensors = {"network": rename_tensors(state["network"]), "ema": rename_tensors(state["mean"])}
    return {**kept, **tensors, "optimizer": state["optimiser"]}

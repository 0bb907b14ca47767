"""How each family of backbones runs: named frozen pieces, with places between them where an adapter may stand.

The pieces are timm's own modules, called in the order of its `forward_features`. A piece gets the feature so far and
a function `adapt(site, feature) -> feature`, which it calls at each of its sites; without adapters that is the
identity and the result is timm's, bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Adapt = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """A place for an adapter, on a feature (B, channels, H, W)."""

    name: str
    placement: str  # bottom: where the raw image enters; middle: in the blocks that hold most of the weights
    channels: int


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
    """Stem and the stages at half and quarter resolution are the bottom, the other blocks the middle."""
    channels = model.conv_stem.out_channels
    pieces = [_piece("stem", "bottom", channels, lambda x: model.bn1(model.conv_stem(x)))]
    for s, stage in enumerate(model.blocks):
        for b, block in enumerate(stage):
            last = [m for m in block.modules() if hasattr(m, "out_channels")][-1]
            pieces.append(_piece(f"blocks.{s}.{b}", "bottom" if s < 2 else "middle", last.out_channels, block))
    pieces.append(_piece("head", None, model.num_features, lambda x: model.bn2(model.conv_head(x))))
    return tuple(pieces)


FAMILIES: dict[str, Callable[[Any], tuple[Segment, ...]]] = {"efficientnet": efficientnet}

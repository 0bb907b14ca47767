"""Adapters: bottlenecks beside a frozen feature that start as the identity, and the top that feeds the policy head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossless_ros.models.families import Site

MAX_SHARE = 0.012  # of the backbone's parameters, for bottom and middle adapters together


class ConvAdapter(nn.Module):
    """x + up(gelu(depthwise(down(x)))) on (B, C, H, W). `up` starts at zero, so the start is the identity, bit for bit.

    The depthwise kernel lets the adapter see neighbours; kernel 1 leaves it out.
    """

    def __init__(self, channels: int, rank: int, kernel: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, rank, 1)
        self.depthwise = (
            nn.Conv2d(rank, rank, kernel, padding=kernel // 2, groups=rank) if kernel > 1 else nn.Identity()
        )
        self.up = nn.Conv2d(rank, channels, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.up(functional.gelu(self.depthwise(self.down(x)))).add_(x)

    @staticmethod
    def size(channels: int, rank: int, kernel: int) -> int:
        """Number of parameters."""
        depthwise = rank * (kernel * kernel + 1) if kernel > 1 else 0
        return 2 * channels * rank + channels + rank + depthwise


class TokenAdapter(nn.Module):
    """x + up(gelu(down(x))) on tokens (B, ..., C). `up` starts at zero: the identity, bit for bit."""

    def __init__(self, channels: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, rank)
        self.up = nn.Linear(rank, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(functional.gelu(self.down(x))).add_(x)


def make_adapter(site: Site, rank: int, kernel: int) -> nn.Module:
    """The adapter for a site; tokens have no neighbours, so `kernel` [px] is for convolutional ones."""
    return TokenAdapter(site.channels, rank) if site.tokens else ConvAdapter(site.channels, rank, kernel)


class Adapters(nn.Module):
    """One task's adapters by site. Call it as `adapt(site, feature)`; sites without an adapter pass through."""

    def __init__(self, sites: Sequence[Site], placements: Sequence[str], rank: int, kernel: int) -> None:
        super().__init__()
        self.at = nn.ModuleDict(
            {key_of(s.name): make_adapter(s, rank, kernel) for s in sites if s.placement in placements}
        )

    def forward(self, site: str, x: Tensor) -> Tensor:
        adapter = self.get(site)
        return x if adapter is None else adapter(x)

    def get(self, site: str) -> nn.Module | None:
        """The adapter at a site, if there is one."""
        try:
            return self.at[key_of(site)]
        except KeyError:
            return None


class GlobalAvgPool(nn.Module):
    """The parameter-free way from the last feature (B, C, h, w) to C numbers: its mean over the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.size = channels

    def reduce(self, features: Tensor) -> Tensor:
        """What `forward` needs of the features, and no more: (B, C, 1, 1)."""
        return features.mean((2, 3), keepdim=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.reduce(features).flatten(1)


class TopAdapter(nn.Module):
    """The top adapter: pooling onto a grid and 1x1 convolution, from (B, C, h, w) to about `size` numbers."""

    def __init__(self, channels: int, size: int, grid: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, max(1, size // grid**2), 1)
        self.grid = grid
        self.size = self.proj.out_channels * grid**2

    def reduce(self, features: Tensor) -> Tensor:
        """What `forward` needs of the features, and no more: (B, C, grid, grid)."""
        return _cells(_cells(features, 2, self.grid), 3, self.grid)

    def forward(self, features: Tensor) -> Tensor:
        return functional.gelu(self.proj(self.reduce(features)).flatten(1))


def _cells(x: Tensor, dim: int, count: int) -> Tensor:
    """Means of `count` parts of a dimension: adaptive pooling, whose gradient in torch is not repeatable on a GPU."""
    size = x.shape[dim]
    if size == count:
        return x
    edges = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    return torch.cat([x.narrow(dim, a, b - a).mean(dim, keepdim=True) for a, b in edges], dim)


def default_rank(sites: Sequence[Site], kernel: int, parameters: int) -> int:
    """Largest rank with which an adapter at every site stays within MAX_SHARE of `parameters`.

    A multiple of 8 where there is room for it, for the sake of the processor.
    """
    fixed = sum(_size(s, 0, kernel) for s in sites)
    slope = sum(_size(s, 1, kernel) for s in sites) - fixed
    rank = max(1, int((MAX_SHARE * parameters - fixed) // slope)) if slope else 1
    return rank - rank % 8 if rank >= 8 else rank


def _size(site: Site, rank: int, kernel: int) -> int:
    return ConvAdapter.size(site.channels, rank, 1 if site.tokens else kernel)


def count(module: torch.nn.Module) -> int:
    """Number of parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def key_of(site: str) -> str:
    """A site's key in `Adapters.at`: a module's name cannot hold a dot."""
    return site.replace(".", "_")

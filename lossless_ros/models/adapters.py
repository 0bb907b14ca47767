"""Adapters: residual bottlenecks on a frozen backbone's features, and the layers that pool its last feature."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossless_ros.models.families import Site

MAX_SHARE = 0.012  # of the backbone's parameters, for all bottom and middle adapters together


class ConvAdapter(nn.Module):
    """x + up(gelu(depthwise(down(x)))) on features (B, C, H, W).

    `up` is initialized to zero, so a new adapter is the identity, bit for bit. The depthwise convolution lets the
    adapter mix neighboring pixels; `kernel_size` 1 leaves it out.
    """

    def __init__(self, channels: int, bottleneck_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, bottleneck_dim, 1)
        self.depthwise = (
            nn.Conv2d(bottleneck_dim, bottleneck_dim, kernel_size, padding=kernel_size // 2, groups=bottleneck_dim)
            if kernel_size > 1
            else nn.Identity()
        )
        self.up = nn.Conv2d(bottleneck_dim, channels, 1)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.up(functional.gelu(self.depthwise(self.down(x)))).add_(x)

    @staticmethod
    def num_parameters(channels: int, bottleneck_dim: int, kernel_size: int) -> int:
        """Return the number of parameters of an adapter of these sizes."""
        depthwise = bottleneck_dim * (kernel_size * kernel_size + 1) if kernel_size > 1 else 0
        return 2 * channels * bottleneck_dim + channels + bottleneck_dim + depthwise


class TokenAdapter(nn.Module):
    """x + up(gelu(down(x))) on tokens (B, ..., C). `up` is initialized to zero: the identity, bit for bit."""

    def __init__(self, channels: int, bottleneck_dim: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, bottleneck_dim)
        self.up = nn.Linear(bottleneck_dim, channels)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(functional.gelu(self.down(x))).add_(x)


def make_adapter(site: Site, bottleneck_dim: int, kernel_size: int) -> nn.Module:
    """Return a new adapter for `site`; `kernel_size` [px] applies to convolutional features, not to tokens."""
    if site.tokens:
        return TokenAdapter(site.channels, bottleneck_dim)
    return ConvAdapter(site.channels, bottleneck_dim, kernel_size)


class Adapters(nn.Module):
    """The adapters of one task, by site.

    Call it as `adapters(site, feature)`; a site without an adapter returns its feature unchanged.
    """

    def __init__(self, sites: Sequence[Site], placements: Sequence[str], bottleneck_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.at = nn.ModuleDict(
            {key_of(s.name): make_adapter(s, bottleneck_dim, kernel_size) for s in sites if s.placement in placements}
        )

    def forward(self, site: str, x: Tensor) -> Tensor:
        adapter = self.get(site)
        return x if adapter is None else adapter(x)

    def get(self, site: str) -> nn.Module | None:
        """Return the adapter at `site`, or None."""
        try:
            return self.at[key_of(site)]
        except KeyError:
            return None


class GlobalAvgPool(nn.Module):
    """Mean over the image, without parameters: (B, C, h, w) to (B, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_features = channels

    def reduce(self, features: Tensor) -> Tensor:
        """Return the smallest feature that gives the same `forward`, (B, C, 1, 1), for caching."""
        return features.mean((2, 3), keepdim=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.reduce(features).flatten(1)


class TopAdapter(nn.Module):
    """Average pooling onto a grid, then a 1x1 convolution and GELU: (B, C, h, w) to (B, out_features).

    `out_features` is the largest multiple of `grid` x `grid` up to `size`.
    """

    def __init__(self, channels: int, size: int, grid: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, max(1, size // grid**2), 1)
        self.grid = grid
        self.out_features = self.proj.out_channels * grid**2

    def reduce(self, features: Tensor) -> Tensor:
        """Return the smallest feature that gives the same `forward`, (B, C, grid, grid), for caching."""
        return _pool(_pool(features, 2, self.grid), 3, self.grid)

    def forward(self, features: Tensor) -> Tensor:
        return functional.gelu(self.proj(self.reduce(features)).flatten(1))


def _pool(x: Tensor, dim: int, size: int) -> Tensor:
    """Average-pool dimension `dim` to `size` cells.

    Like torch's adaptive average pooling, whose gradient is not deterministic on a GPU.
    """
    length = x.shape[dim]
    if length == size:
        return x
    edges = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
    return torch.cat([x.narrow(dim, a, b - a).mean(dim, keepdim=True) for a, b in edges], dim)


def default_bottleneck_dim(sites: Sequence[Site], kernel_size: int, backbone_parameters: int) -> int:
    """Return the largest bottleneck with which adapters at all sites stay within MAX_SHARE of `backbone_parameters`.

    From 8 on it is rounded down to a multiple of 8, which CPU kernels run fastest.
    """
    fixed = sum(_num_parameters(s, 0, kernel_size) for s in sites)
    slope = sum(_num_parameters(s, 1, kernel_size) for s in sites) - fixed
    dim = max(1, int((MAX_SHARE * backbone_parameters - fixed) // slope)) if slope else 1
    return dim - dim % 8 if dim >= 8 else dim


def _num_parameters(site: Site, bottleneck_dim: int, kernel_size: int) -> int:
    return ConvAdapter.num_parameters(site.channels, bottleneck_dim, 1 if site.tokens else kernel_size)


def count_parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def key_of(site: str) -> str:
    """Return a site's key in `Adapters.at`; module names cannot contain a dot."""
    return site.replace(".", "_")

"""Many tasks on one backbone: each image of a batch goes through its own task's adapters, in one forward pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.errors import unknown
from lossless_ros.models.adapters import Adapters, key_of
from lossless_ros.models.backbones import Backbone

Weights = dict[str, Tensor]  # one site's weights by parameter name, each (1 or samples, *shape)


@dataclass(frozen=True)
class _AdapterBank:
    """The tasks whose adapters have the same shapes, with all weights of a task flattened into one row."""

    layout: tuple[tuple[str, str, torch.Size], ...]  # site, parameter and shape, in the order of a row
    sites: frozenset[str]
    rows: Tensor  # (tasks, weights of a task)


class AdapterSet:
    """The adapters of several tasks; their placements, bottlenecks and kernels may differ. Calls keep no state.

    The set keeps its own copy of the adapters, by default in half precision: half the memory for a relative rounding
    error of 2**-11 per weight. `dtype=torch.float32` keeps them as they were trained.
    """

    def __init__(self, backbone: Backbone, tasks: Mapping[str, Adapters], dtype: torch.dtype = torch.float16) -> None:
        self.backbone = backbone
        names = {key_of(site.name): site.name for site in backbone.sites}
        grouped: dict[tuple, list[str]] = {}
        for task, adapters in tasks.items():
            named = ((names[key], name, p) for key, a in adapters.at.items() for name, p in a.named_parameters())
            grouped.setdefault(tuple((site, name, p.shape) for site, name, p in named), []).append(task)
        self._banks: list[_AdapterBank] = []
        self._slots: dict[str, tuple[int, int]] = {}  # bank and row of each task
        for layout, members in grouped.items():
            self._slots |= {task: (len(self._banks), row) for row, task in enumerate(members)}
            length = sum(shape.numel() for _, _, shape in layout)
            rows = torch.empty(len(members), length, dtype=dtype, device=backbone.device)
            for row, task in zip(rows, members, strict=True):
                flat = [p.detach().flatten() for p in tasks[task].parameters()]
                row.copy_(torch.cat(flat) if flat else row)
            self._banks.append(_AdapterBank(layout, frozenset(site for site, _, _ in layout), rows))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(self._slots)

    @property
    def nbytes(self) -> int:
        """Memory of all tasks' adapters [bytes]."""
        return sum(bank.rows.numel() * bank.rows.element_size() for bank in self._banks)

    def features(self, images: Tensor, tasks: Sequence[str | None]) -> Tensor:
        """Return the last feature of images (B, 3, H, W), image i adapted to tasks[i]; None leaves it unadapted.

        Unadapted features are bit-identical to those of `backbone.features(images)`.

        Raises:
            LosslessError: a task is unknown.
            ValueError: `tasks` does not hold one task per image.
        """
        if len(tasks) != len(images):
            raise ValueError(f"{len(tasks)} tasks for {len(images)} images, expected one for each")
        return self.backbone.features(images, self.route(tasks))

    def features_of_all(self, images: Tensor, tasks: Sequence[str | None]) -> list[Tensor]:
        """Return the last feature of the same images (B, 3, H, W) for each of `tasks`.

        What the tasks share is computed once: a task branches off the unadapted pass at its first adapter, and the
        tasks that have branched off run as one batch. The features of a task without adapters are bit-identical to
        those of `backbone.features(images)`.

        Raises:
            LosslessError: a task is unknown.
        """
        shared = list(dict.fromkeys(tasks))  # tasks that have not branched off yet
        sites = {task: self._sites(task) for task in shared}
        branched: list[str | None] = []
        plain, adapted = images, images[:0]
        adapt = self.route([])
        for segment in self.backbone.segments:
            leaving = [t for t in shared if any(site.name in sites[t] for site in segment.sites)]
            if leaving:
                shared = [t for t in shared if t not in leaving]
                copies = [plain] * len(leaving)
                adapted = torch.cat([adapted, *copies] if branched else copies)
                branched += leaving
                adapt = self.route([t for t in branched for _ in images])
            if branched:
                adapted = segment.run(adapted, adapt)
            if shared:
                plain = segment.run(plain, lambda site, x: x)
        features = dict(zip(branched, adapted.split(len(images)), strict=True)) if branched else {}
        return [features.get(task, plain) for task in tasks]

    def route(self, tasks: Sequence[str | None]) -> "RoutedAdapters":
        """Return the adapters for a batch whose image i is of tasks[i], to pass to `backbone.features`.

        Gathering the weights takes time: keep the result as long as the tasks stay the same.

        Raises:
            LosslessError: a task is unknown.
        """
        members: dict[int, tuple[list[int], list[int]]] = {}
        for sample, task in enumerate(tasks):
            if task is not None:
                bank, row = self._find(task)
                samples, rows = members.setdefault(bank, ([], []))
                samples.append(sample)
                rows.append(row)
        dtype = next(self.backbone.model.parameters()).dtype
        routes = [(self._banks[bank], samples, rows) for bank, (samples, rows) in members.items()]
        return RoutedAdapters(routes, len(tasks), dtype)

    def _sites(self, task: str | None) -> frozenset[str]:
        """Return the sites at which a task has adapters."""
        return frozenset() if task is None else self._banks[self._find(task)[0]].sites

    def _find(self, task: str) -> tuple[int, int]:
        """Return a task's bank and row."""
        if task not in self._slots:
            raise unknown("task", task, self._slots)
        return self._slots[task]


class RoutedAdapters:
    """The adapters of one batch; call it as `adapt(site, feature)`.

    Samples whose adapters have the same shapes go through one batched product.
    """

    def __init__(
        self, routes: Sequence[tuple[_AdapterBank, list[int], list[int]]], batch: int, dtype: torch.dtype
    ) -> None:
        """Gather the weights of `routes`, each a bank, the samples that use it and their rows in it."""
        self._groups: list[tuple[list[int] | None, dict[str, Weights]]] = []  # no samples: all of the batch
        for bank, samples, rows in routes:
            same_task = len(set(rows)) == 1
            flat = (bank.rows[rows[:1]] if same_task else bank.rows[rows]).to(dtype)  # (1 or samples, weights)
            parts = flat.split([shape.numel() for _, _, shape in bank.layout], 1)
            weights: dict[str, Weights] = {}
            for (site, name, shape), part in zip(bank.layout, parts, strict=True):
                weights.setdefault(site, {})[name] = part.unflatten(1, shape)
            self._groups.append((None if len(samples) == batch else samples, weights))

    def __call__(self, site: str, x: Tensor) -> Tensor:
        for samples, weights in self._groups:
            if site not in weights:
                continue
            if samples is None:
                x = _adapt(x, weights[site])
            else:
                adapted = _adapt(x[samples], weights[site])
                x = x.clone()  # keeps x's memory layout, on which the rounding of the next layers depends
                x[samples] = adapted
        return x


def _adapt(x: Tensor, weights: Weights) -> Tensor:
    """Apply adapters to (B, C, H, W) or to tokens (B, ..., C): one to all samples, or row i to sample i."""
    if weights["down.weight"].ndim == 3:
        down = _affine(x.flatten(1, -2), weights, "down")
        return _affine(functional.gelu(down), weights, "up").view_as(x).add_(x)
    return _shared_conv(x, weights) if len(weights["down.weight"]) == 1 else _batched_convs(x, weights)


def _shared_conv(x: Tensor, weights: Weights) -> Tensor:
    """Apply one convolutional adapter to all samples (B, C, H, W)."""
    y = functional.conv2d(x, weights["down.weight"][0], weights["down.bias"][0])
    if "depthwise.weight" in weights:
        depthwise = weights["depthwise.weight"][0]
        y = functional.conv2d(
            y, depthwise, weights["depthwise.bias"][0], padding=depthwise.shape[-1] // 2, groups=len(depthwise)
        )
    return functional.conv2d(functional.gelu(y), weights["up.weight"][0], weights["up.bias"][0]).add_(x)


def _batched_convs(x: Tensor, weights: Weights) -> Tensor:
    """Apply convolutional adapters to (B, C, H, W), row i to sample i."""
    batch, _, height, width = x.shape
    y = _affine(x.permute(0, 2, 3, 1).flatten(1, 2), weights, "down")  # (B, H * W, bottleneck)
    if "depthwise.weight" in weights:
        depthwise = weights["depthwise.weight"].flatten(0, 1)  # (B * bottleneck, 1, k, k)
        y = y.transpose(1, 2).reshape(1, -1, height, width)
        bias = weights["depthwise.bias"].flatten()
        y = functional.conv2d(y, depthwise, bias, padding=depthwise.shape[-1] // 2, groups=len(depthwise))
        y = y.view(batch, -1, height * width).transpose(1, 2)
    y = _affine(functional.gelu(y), weights, "up")
    return y.unflatten(1, (height, width)).permute(0, 3, 1, 2).add_(x)


def _affine(x: Tensor, weights: Weights, name: str) -> Tensor:
    """Apply a linear layer or 1x1 convolution, (B, N, i) to (B, N, o): one to all samples, or row i to sample i."""
    weight, bias = weights[f"{name}.weight"].flatten(2), weights[f"{name}.bias"]
    if len(weight) == 1:
        return functional.linear(x, weight[0], bias[0])
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))

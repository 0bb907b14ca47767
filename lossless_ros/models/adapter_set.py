"""Many tasks over one backbone: each image of a batch wears its own task's adapters, in one forward pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lossless_ros.errors import unknown
from lossless_ros.models.adapters import Adapters, key_of
from lossless_ros.models.backbones import Backbone

Weights = dict[str, Tensor]  # of one site, by parameter name, (rows, *shape)


@dataclass(frozen=True)
class _AdapterBank:
    """Tasks whose adapters have the same shapes: one row of numbers for each."""

    layout: tuple[tuple[str, str, torch.Size], ...]  # site, parameter, shape, in the order of a row
    sites: frozenset[str]
    rows: Tensor  # (tasks, numbers)


class AdapterSet:
    """Tasks by name, each with its adapters; ranks, kernels and placements may differ. Stateless in its calls.

    The set keeps its own copy of the adapters, in half precision: a rounding of 2**-11 of each weight, for half the
    memory. `dtype=torch.float32` keeps them as they were trained.
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
            numbers = sum(shape.numel() for _, _, shape in layout)
            rows = torch.empty(len(members), numbers, dtype=dtype, device=backbone.device)
            for row, task in zip(rows, members, strict=True):
                flat = [p.detach().flatten() for p in tasks[task].parameters()]
                row.copy_(torch.cat(flat) if flat else row)
            self._banks.append(_AdapterBank(layout, frozenset(site for site, _, _ in layout), rows))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(self._slots)

    @property
    def nbytes(self) -> int:
        """Memory of all tasks' adapters [bytes]."""
        return sum(s.rows.numel() * s.rows.element_size() for s in self._banks)

    def features(self, images: Tensor, tasks: Sequence[str | None]) -> Tensor:
        """Last feature of images (B, 3, H, W), image i wearing tasks[i]; None wears nothing.

        The plain images' features are bit-identical to those of `backbone.features(images)`.

        Raises:
            LosslessError: unknown task.
            ValueError: not one task per image.
        """
        if len(tasks) != len(images):
            raise ValueError(f"{len(tasks)} tasks for {len(images)} images, expected one for each")
        return self.backbone.features(images, self.route(tasks))

    def features_of_all(self, images: Tensor, tasks: Sequence[str | None]) -> list[Tensor]:
        """Last feature of the same images (B, 3, H, W) for each of the tasks.

        What the tasks share is computed once: a task leaves the plain pass at its first adapter, so one without
        adapters gives the plain features, which are bit-identical to those of `backbone.features(images)`. The tasks
        that left run as one batch.

        Raises:
            LosslessError: unknown task.
        """
        waiting = list(dict.fromkeys(tasks))  # on the plain pass so far
        sites = {task: self._sites(task) for task in waiting}
        left: list[str | None] = []
        plain, worn = images, images[:0]
        adapt = self.route([])
        for segment in self.backbone.segments:
            leaving = [t for t in waiting if any(site.name in sites[t] for site in segment.sites)]
            if leaving:
                waiting = [t for t in waiting if t not in leaving]
                worn = torch.cat([*([worn] if left else []), *([plain] * len(leaving))])
                left += leaving
                adapt = self.route([t for t in left for _ in images])
            if left:
                worn = segment.run(worn, adapt)
            if waiting:
                plain = segment.run(plain, lambda site, x: x)
        found = dict(zip(left, worn.split(len(images)), strict=True)) if left else {}
        return [found.get(task, plain) for task in tasks]

    def route(self, tasks: Sequence[str | None]) -> "RoutedAdapters":
        """The adapters of a batch whose image i is of tasks[i], for `backbone.features`; to be kept while tasks last.

        Raises:
            LosslessError: unknown task.
        """
        members: dict[int, tuple[list[int], list[int]]] = {}
        for sample, task in enumerate(tasks):
            if task is not None:
                bank, row = self._find(task)
                samples, rows = members.setdefault(bank, ([], []))
                samples.append(sample)
                rows.append(row)
        dtype = next(self.backbone.model.parameters()).dtype
        return RoutedAdapters(
            [(self._banks[s], samples, rows) for s, (samples, rows) in members.items()], len(tasks), dtype
        )

    def _sites(self, task: str | None) -> frozenset[str]:
        return frozenset() if task is None else self._banks[self._find(task)[0]].sites

    def _find(self, task: str) -> tuple[int, int]:
        if task not in self._slots:
            raise unknown("task", task, self._slots)
        return self._slots[task]


class RoutedAdapters:
    """Call it as `adapt(site, feature)`. Samples whose adapters have the same shapes go through one batched product."""

    def __init__(
        self, banks: Sequence[tuple[_AdapterBank, list[int], list[int]]], batch: int, dtype: torch.dtype
    ) -> None:
        self._groups: list[tuple[list[int] | None, dict[str, Weights]]] = []
        for bank, samples, rows in banks:
            alike = len(set(rows)) == 1
            numbers = (bank.rows[rows[:1]] if alike else bank.rows[rows]).to(dtype)  # (1 or samples, numbers)
            parts = numbers.split([shape.numel() for _, _, shape in bank.layout], 1)
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
                x = x.clone()  # in x's memory layout, on which the bits of what follows depend
                x[samples] = adapted
        return x


def _adapt(x: Tensor, weights: Weights) -> Tensor:
    """Adapters on (B, C, H, W), or on tokens (B, ..., C); one for all samples, or sample i through row i."""
    if weights["down.weight"].ndim == 3:
        down = _affine(x.flatten(1, -2), weights, "down")
        return _affine(functional.gelu(down), weights, "up").view_as(x).add_(x)
    return _same_conv(x, weights) if len(weights["down.weight"]) == 1 else _own_convs(x, weights)


def _same_conv(x: Tensor, weights: Weights) -> Tensor:
    """One convolutional adapter on all samples."""
    y = functional.conv2d(x, weights["down.weight"][0], weights["down.bias"][0])
    if "depthwise.weight" in weights:
        depthwise = weights["depthwise.weight"][0]
        y = functional.conv2d(
            y, depthwise, weights["depthwise.bias"][0], padding=depthwise.shape[-1] // 2, groups=len(depthwise)
        )
    return functional.conv2d(functional.gelu(y), weights["up.weight"][0], weights["up.bias"][0]).add_(x)


def _own_convs(x: Tensor, weights: Weights) -> Tensor:
    """Convolutional adapters, sample i through row i."""
    batch, _, height, width = x.shape
    y = _affine(x.permute(0, 2, 3, 1).flatten(1, 2), weights, "down")  # (B, H * W, r)
    if "depthwise.weight" in weights:
        depthwise = weights["depthwise.weight"].flatten(0, 1)  # (B * r, 1, k, k)
        y = y.transpose(1, 2).reshape(1, -1, height, width)
        bias = weights["depthwise.bias"].flatten()
        y = functional.conv2d(y, depthwise, bias, padding=depthwise.shape[-1] // 2, groups=len(depthwise))
        y = y.view(batch, -1, height * width).transpose(1, 2)
    y = _affine(functional.gelu(y), weights, "up")
    return y.unflatten(1, (height, width)).permute(0, 3, 1, 2).add_(x)


def _affine(x: Tensor, weights: Weights, name: str) -> Tensor:
    """(B, N, i) -> (B, N, o) through a linear layer or a 1x1 convolution: one for all samples, or one for each."""
    weight, bias = weights[f"{name}.weight"].flatten(2), weights[f"{name}.bias"]
    if len(weight) == 1:
        return functional.linear(x, weight[0], bias[0])
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))

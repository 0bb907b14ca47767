"""Many tasks over one backbone: each image of a batch wears its own task's adapters, in one forward pass."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossless_ros.errors import unknown
from lossless_ros.models.adapters import Adapters, ConvAdapter
from lossless_ros.models.backbones import Backbone


class AdapterSet:
    """Tasks by name, each with its adapters; ranks, kernels and placements may differ. Stateless in its calls."""

    def __init__(self, backbone: Backbone, tasks: Mapping[str, Adapters]) -> None:
        self.backbone = backbone
        self.tasks = dict(tasks)

    def features(self, images: Tensor, tasks: Sequence[str | None]) -> Tensor:
        """Last feature of images (B, 3, H, W), image i wearing tasks[i]; None wears nothing.

        The plain images' features are bit-identical to those of `backbone.features(images)`.

        Raises:
            LosslessError: unknown task.
            ValueError: not one task per image.
        """
        if len(tasks) != len(images):
            raise ValueError(f"{len(tasks)} tasks for {len(images)} images, expected one for each")
        return self.backbone.features(images, self.wear(tasks))

    def features_of_all(self, images: Tensor, tasks: Sequence[str | None]) -> list[Tensor]:
        """Last feature of the same images (B, 3, H, W) for each of the tasks.

        What the tasks share is computed once: a task leaves the plain pass at its first adapter, so one without
        adapters gives the plain features, which are bit-identical to those of `backbone.features(images)`. The tasks
        that left run as one batch.

        Raises:
            LosslessError: unknown task.
        """
        waiting = list(dict.fromkeys(tasks))  # on the plain pass so far
        left: list[str | None] = []
        plain, worn = images, images[:0]
        for segment in self.backbone.segments:
            leaving = [t for t in waiting if any(self._adapter(t, site.name) is not None for site in segment.sites)]
            waiting = [t for t in waiting if t not in leaving]
            if leaving:
                worn = torch.cat([*([worn] if left else []), *([plain] * len(leaving))])
                left += leaving
            if left:
                worn = segment.run(worn, self.wear([t for t in left for _ in images]))
            if waiting:
                plain = segment.run(plain, lambda site, x: x)
        found = dict(zip(left, worn.split(len(images)), strict=True)) if left else {}
        return [found.get(task, plain) for task in tasks]

    def wear(self, tasks: Sequence[str | None]) -> "Mixed":
        """The adapters of a batch whose image i is of tasks[i], for `backbone.features`.

        Raises:
            LosslessError: unknown task.
        """
        return Mixed([self._find(task) for task in tasks])

    def _adapter(self, task: str | None, site: str) -> nn.Module | None:
        adapters = self._find(task)
        return None if adapters is None else adapters.get(site)

    def _find(self, task: str | None) -> Adapters | None:
        if task is not None and task not in self.tasks:
            raise unknown("task", task, self.tasks)
        return None if task is None else self.tasks[task]


class Mixed:
    """Call it as `adapt(site, feature)`. Samples whose adapters have the same shape go through one batched product."""

    def __init__(self, adapters: Sequence[Adapters | None]) -> None:
        self.adapters = adapters

    def __call__(self, site: str, x: Tensor) -> Tensor:
        groups: dict[tuple, tuple[list[int], list[Any]]] = {}
        for row, adapters in enumerate(self.adapters):
            adapter = adapters.get(site) if adapters is not None else None
            if adapter is not None:
                rows, members = groups.setdefault(tuple(p.shape for p in adapter.parameters()), ([], []))
                rows.append(row)
                members.append(adapter)
        for rows, members in groups.values():
            chosen = x if len(rows) == len(x) else x[rows]
            if all(m is members[0] for m in members):
                adapted = members[0](chosen)
            else:
                adapted = _conv(chosen, members) if isinstance(members[0], ConvAdapter) else _tokens(chosen, members)
            if chosen is x:
                x = adapted
            else:
                x = x.clone()  # in x's memory layout, on which the bits of what follows depend
                x[rows] = adapted
        return x


def _tokens(x: Tensor, members: Sequence[Any]) -> Tensor:
    """Token adapters on (B, ..., C), sample i through members[i]."""
    down = _affine(x.flatten(1, -2), [m.down for m in members])
    return x + _affine(functional.gelu(down), [m.up for m in members]).view_as(x)


def _conv(x: Tensor, members: Sequence[Any]) -> Tensor:
    """Convolutional adapters on (B, C, H, W), sample i through members[i]."""
    batch, _, height, width = x.shape
    y = _affine(x.permute(0, 2, 3, 1).flatten(1, 2), [m.down for m in members])  # (B, H * W, r)
    near = [m.near for m in members]
    if isinstance(near[0], nn.Conv2d):
        weight = torch.cat([n.weight for n in near])  # (B * r, 1, k, k)
        bias = torch.cat([n.bias for n in near])
        y = y.transpose(1, 2).reshape(1, -1, height, width)
        y = functional.conv2d(y, weight, bias, padding=near[0].padding, groups=len(weight))
        y = y.view(batch, -1, height * width).transpose(1, 2)
    y = _affine(functional.gelu(y), [m.up for m in members])
    return x + y.unflatten(1, (height, width)).permute(0, 3, 1, 2)


def _affine(x: Tensor, layers: Sequence[Any]) -> Tensor:
    """(B, N, i) -> (B, N, o), sample b through layers[b], a linear layer or a 1x1 convolution."""
    weight = torch.stack([m.weight.flatten(1) for m in layers])
    bias = torch.stack([m.bias for m in layers])
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))

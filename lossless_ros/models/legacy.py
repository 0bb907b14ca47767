"""Bundles and checkpoints of format 1: their keys and tensor names under today's names."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

NETWORK_KEYS = {  # old -> new
    "rank": "bottleneck_dim",
    "kernel": "kernel_size",
    "hidden": "hidden_dims",
    "chunk": "chunk_size",
    "mixture": "num_modes",
    "own_backbone": "trainable_backbone",
}
_TENSOR_PARTS = {"near": "depthwise", "mix": "proj", "own": "trainable_backbone"}


def rename_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """Return the tensors under today's names; the backbone's own tensor names below `own.model` stay."""
    return {rename_tensor(name): tensor for name, tensor in tensors.items()}


def rename_tensor(name: str) -> str:
    """Return today's name of a tensor of format 1."""
    if name.startswith("own."):
        return f"trainable_backbone.{name.removeprefix('own.')}"
    if name.startswith(("adapters.", "top.")):
        return ".".join(_TENSOR_PARTS.get(part, part) for part in name.split("."))
    return name

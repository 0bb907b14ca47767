"""Translate the network keys and tensor names of format 1 (version 0.1.0) to today's."""

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


def rename_tensors(tensors: Mapping[str, T]) -> dict[str, T]:
    """Return the tensors of a network of format 1 under today's names."""
    return {rename_tensor(name): tensor for name, tensor in tensors.items()}


def rename_tensor(name: str) -> str:
    """Return today's name of a network's tensor of format 1; timm's own names below `own.model.` stay."""
    if name.startswith("own."):
        return f"trainable_backbone.{name.removeprefix('own.')}"
    if name.startswith("top.mix."):
        return f"top.proj.{name.removeprefix('top.mix.')}"
    if name.startswith("adapters."):
        return name.replace(".near.", ".depthwise.")
    return name

"""Tensors of a vision transformer that PyTorch exported as an ONNX graph, under the names that they had in PyTorch.

An export keeps the names of most parameters. It transposes and renames the weights of linear layers, and splits Hugging
Face's position embeddings into those of the class token and of the patches. Nothing in the file is executed.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import LosslessError


def read_onnx(path: Path) -> dict[str, Any]:
    """Return the tensors of the graph's parameters by name, weights of linear layers (out, in) as in PyTorch.

    Raises:
        LosslessError: the file is not an ONNX graph, or onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise LosslessError(f"{path} is read with the Python package onnx; run: pip install onnx") from None
    import torch

    try:
        graph = onnx.load(str(path)).graph
        constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    except Exception as error:  # protobuf and onnx raise many types on damaged files
        raise LosslessError(f"{path} is not an ONNX graph: {' '.join(str(error).split())[:120]}") from None
    found = {name: values for name, values in constants.items() if not name.startswith("onnx::")}
    found |= _linear_weights(graph.node, constants) | _position_embeddings(graph.node, constants)
    return {name: torch.from_numpy(np.array(values)) for name, values in found.items()}


def _linear_weights(nodes: Sequence[Any], constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the weights of matrix products to which a bias with a name is added."""
    consumers = defaultdict(list)
    for node in nodes:
        for name in node.input:
            consumers[name].append(node)
    weights = {}
    for product in nodes:
        if product.op_type != "MatMul" or product.input[1] not in constants:
            continue
        sums = [node for node in consumers[product.output[0]] if node.op_type == "Add"]
        for bias in (name for node in sums for name in node.input if name.endswith(".bias") and name in constants):
            weights[f"{bias.removesuffix('bias')}weight"] = constants[product.input[1]].T
    return weights


def _position_embeddings(nodes: Sequence[Any], constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the position embeddings (1, 1 + N, C) of modules named `embeddings`: the class token's, then N patches'.

    The patches' are reshaped for resizing, and the class token's are joined to the result.
    """
    split: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for node in nodes:
        module = re.match(r"^/(?:.*/)?embeddings(?=/)", node.name)
        if module is None:
            continue
        for name in node.input:
            if name.startswith("onnx::") and name in constants and constants[name].ndim == 3:
                split[module[0]][node.op_type] = constants[name]
    return {
        f"{module[1:].replace('/', '.')}.position_embeddings": np.concatenate([parts["Concat"], parts["Reshape"]], 1)
        for module, parts in split.items()
        if parts.keys() == {"Concat", "Reshape"}
    }

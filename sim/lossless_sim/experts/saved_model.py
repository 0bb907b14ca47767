"""Read the weights of a released specialist from its TensorFlow SavedModel without TensorFlow.

The checkpoint under `variables` of the released folders is empty: the networks were frozen, and their weights are
constants in the graph of `saved_model.pb`. Only a few fields of its protocol buffers are needed (numbers from
tensorflow/core: saved_model, meta_graph, graph, function, node_def, attr_value, tensor).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lossless_sim.errors import SimError

_ACTOR = "mpo/online/actor_"
_INPUT = f"{_ACTOR}input_normalizer/InputNormalizer"
_DISTRIBUTION = f"{_ACTOR}distro/JointGaussianLastDiscreteValued"
NODES = {  # name in `specialist` -> node of the graph
    "in_w": f"{_INPUT}/linear/w",
    "in_b": f"{_INPUT}/linear/b",
    "ln_gamma": f"{_INPUT}/layer_norm/gamma",
    "ln_beta": f"{_INPUT}/layer_norm/beta",
    "mlp0_w": f"{_ACTOR}mlp/mlp/linear_0/w",
    "mlp0_b": f"{_ACTOR}mlp/mlp/linear_0/b",
    "mlp1_w": f"{_ACTOR}mlp/mlp/linear_1/w",
    "mlp1_b": f"{_ACTOR}mlp/mlp/linear_1/b",
    "gauss_w": f"{_DISTRIBUTION}_Gaussian/params/w",
    "gauss_b": f"{_DISTRIBUTION}_Gaussian/params/b",
    "grip_w": f"{_DISTRIBUTION}_DiscreteValued/params/w",
    "grip_b": f"{_DISTRIBUTION}_DiscreteValued/params/b",
}
GRAPH = (2, 2)  # SavedModel.meta_graphs, MetaGraphDef.graph_def
FUNCTION_NODES = (2, 1, 3)  # GraphDef.library, FunctionDefLibrary.function, FunctionDef.node_def
NODE_NAME, NODE_OP = 1, 2
TENSOR = (5, 2, 8)  # NodeDef.attr, its value, AttrValue.tensor
TENSOR_DIMENSION, TENSOR_CONTENT = (2, 2), 4  # TensorProto.tensor_shape, its dim (whose field 1 is the size)
_FLOAT = np.dtype("<f4")


def read_saved_model(folder: Path) -> dict[str, np.ndarray]:
    """Return the actor's arrays by the keys of NODES; those that `folder/saved_model.pb` lacks are left out.

    Raises:
        SimError: the file does not exist or is no SavedModel.
    """
    path = folder / "saved_model.pb"
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise SimError(f"cannot read {path}: {error.strerror} (expected a SavedModel folder or an .npz)") from None
    wanted = {node: key for key, node in NODES.items()}
    weights: dict[str, np.ndarray] = {}
    try:
        for graph in _all(content, *GRAPH):
            for node in _all(graph, *FUNCTION_NODES):
                name = bytes(next(_all(node, NODE_NAME), b"")).decode()
                if name in wanted and bytes(next(_all(node, NODE_OP), b"")) == b"Const":
                    weights[wanted[name]] = _array(next(_all(node, *TENSOR)))
    except (IndexError, ValueError, UnicodeDecodeError, StopIteration) as error:
        raise SimError(f"{path} is not a SavedModel ({type(error).__name__})") from None
    return weights


def _array(tensor: memoryview) -> np.ndarray:
    """Decode a TensorProto of float32."""
    sizes = [
        size
        for dimension in _all(tensor, *TENSOR_DIMENSION)
        for number, size in _fields(dimension)
        if number == 1 and isinstance(size, int)
    ]
    return np.frombuffer(next(_all(tensor, TENSOR_CONTENT)), _FLOAT).reshape(sizes).astype(np.float32)


def _all(message: memoryview, *numbers: int) -> Iterator[memoryview]:
    """Yield every field at a path of field numbers."""
    if not numbers:
        yield message
        return
    for number, value in _fields(message):
        if number == numbers[0] and isinstance(value, memoryview):
            yield from _all(value, *numbers[1:])


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of the fields of a protocol buffer; fixed-width fields are skipped."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("a field is longer than its message")
            yield number, message[at : at + size]
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the variable-length integer at a position, and the position after it."""
    value, shift = 0, 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at

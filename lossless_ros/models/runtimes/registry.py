"""What runs a policy's network: torch is the reference, the others give its numbers sooner.

In each of them the weights of adapters, head and statistics are inputs of a graph that the tasks share, so that a
switch of task neither exports nor compiles anything.
"""

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lossless_ros.errors import LosslessError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lossless_ros.models.backbones import Backbone
    from lossless_ros.models.network import Network

    # raw action (B, A) from images (cameras * B, 3, S, S) in 0..1 and proprioception (B, P)
    Run = Callable[[Tensor, Tensor], Tensor]

RUNTIMES = ("auto", "torch", "openvino", "onnxruntime", "cuda_graph", "tensorrt")
PRECISIONS = ("auto", "float32", "float16")
_NEEDS = {  # runtime: its packages, by the names to import and to install
    "openvino": {"openvino": "openvino"},
    "onnxruntime": {"onnxruntime": "onnxruntime", "onnx": "onnx", "onnxscript": "onnxscript"},
    "tensorrt": {"onnxruntime": "onnxruntime-gpu", "onnx": "onnx", "onnxscript": "onnxscript"},
}
_ONLY_ON = {"openvino": "cpu", "cuda_graph": "cuda", "tensorrt": "cuda"}
_IN_HALF = ("cuda_graph", "tensorrt")

_graphs: "WeakKeyDictionary[Backbone, dict]" = WeakKeyDictionary()  # by what fixes their shape


def find_runtime(name: str, device: "torch.device") -> str:
    """The runtime of that name; `auto` is cuda_graph on a GPU, and on a CPU openvino where it is installed, else torch.

    Raises:
        LosslessError: no such runtime, not installed, or not for this device.
    """
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES)
    if name == "auto":
        if device.type == "cuda":
            return "cuda_graph"
        return "openvino" if device.type == "cpu" and importlib.util.find_spec("openvino") else "torch"
    needed = _NEEDS.get(name, {})
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        packages = " ".join(missing)
        raise LosslessError(f"runtime {name} is not installed; run: pip install {packages}, or use runtime torch")
    wanted = _ONLY_ON.get(name, device.type)
    if device.type != wanted:
        raise LosslessError(f"runtime {name} runs on {wanted}, not on {device.type}; use runtime torch there")
    return name


def find_precision(name: str, runtime: str) -> str:
    """Arithmetic of backbone and adapters; `auto` is float16 for CUDA graphs if `load_policy` keeps it, else float32.

    CUDA graphs leave proprioception and head in float32; TensorRT does not, so it gets float16 only when asked to.

    Raises:
        LosslessError: not known, or not what this runtime can do.
    """
    if name not in PRECISIONS:
        raise unknown("precision", name, PRECISIONS)
    if name == "auto":
        return "float16" if runtime == "cuda_graph" else "float32"
    if name == "float16" and runtime not in _IN_HALF:
        raise LosslessError(f"runtime {runtime} computes in float32; float16 is for {' and '.join(_IN_HALF)}")
    return name


def takes_batches(name: str) -> bool:
    """Whether a runtime takes several frames at once; graphs are made for the one frame of a control period."""
    return name == "torch"


def make_runtime(name: str, precision: str, network: "Network", backbone: "Backbone") -> "Run":
    """The function that runs `network` on `backbone`, both on their device already.

    The graph is made for the first network of a shape and shared by all others on the same backbone object.
    """
    if name == "torch":
        return lambda images, proprioception: network(backbone, images, proprioception)
    import torch

    shapes = tuple((key, tuple(tensor.shape)) for key, tensor in network.state_dict().items())
    where = str(network.mean.device), torch.get_num_threads()
    shape = (name, precision, *where, network.config, network.cameras, shapes)
    graphs = _graphs.setdefault(backbone, {})
    if name == "openvino":
        from lossless_ros.models.runtimes import openvino

        if shape not in graphs:
            graphs[shape] = openvino.compile_graph(network, backbone)
        return openvino.BoundGraph(graphs[shape], network)
    if name in ("onnxruntime", "tensorrt"):
        from lossless_ros.models.runtimes import onnx

        if shape not in graphs:
            graphs[shape] = onnx.make_session(network, backbone, name, precision == "float16")
        return onnx.BoundGraph(graphs[shape], network)
    from lossless_ros.models.runtimes.cuda_graph import CudaGraph

    if shape not in graphs:
        graphs[shape] = CudaGraph(network, backbone, getattr(torch, precision))
    return graphs[shape].bind(network)

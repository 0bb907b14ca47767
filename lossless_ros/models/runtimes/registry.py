"""Select what runs a policy's network: torch is the reference, the other runtimes compute the same faster.

In all of them the weights of adapters, head and statistics are inputs of a graph that tasks share, so switching tasks
neither exports nor compiles anything.
"""

import importlib.util
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lossless_ros.errors import LosslessError, unknown

if TYPE_CHECKING:
    import torch

    from lossless_ros.models.backbones import Backbone
    from lossless_ros.models.network import Network
    from lossless_ros.models.runtimes.base import Runner

RUNTIMES = ("auto", "torch", "openvino", "onnxruntime", "cuda_graph", "tensorrt")
PRECISIONS = ("auto", "float32", "float16")
_PACKAGES = {  # runtime -> its packages: name to import -> name to install
    "openvino": {"openvino": "openvino"},
    "onnxruntime": {"onnxruntime": "onnxruntime", "onnx": "onnx", "onnxscript": "onnxscript"},
    "tensorrt": {"onnxruntime": "onnxruntime-gpu", "onnx": "onnx", "onnxscript": "onnxscript"},
}
_DEVICES = {"openvino": "cpu", "cuda_graph": "cuda", "tensorrt": "cuda"}  # of the runtimes that are for one type only
_HALF_PRECISION = ("cuda_graph", "tensorrt")  # runtimes that can compute in float16

# The compiled graphs of each loaded backbone, by what fixes a graph's shape. Compiling takes seconds and a graph holds
# a copy of the backbone's weights, so all policies on a backbone share its graphs; they are freed together with it.
_graphs: "WeakKeyDictionary[Backbone, dict]" = WeakKeyDictionary()
# OpenVINO's graphs hold a copy of the weights and outlive the backbone, by its fingerprint: torch keeps the memory of
# every trace, so that a node which is configured again and again would grow. The least recently used ones are dropped.
_openvino_graphs: "OrderedDict[tuple, Any]" = OrderedDict()
_MAX_OPENVINO_GRAPHS = 4


def find_runtime(name: str, device: "torch.device") -> str:
    """Return the runtime to use on `device`.

    auto is cuda_graph on a GPU. On a CPU it is openvino if that is installed, else torch.

    Raises:
        LosslessError: the runtime is unknown, not installed, or does not run on this device.
    """
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES)
    if name == "auto":
        if device.type == "cuda":
            return "cuda_graph"
        return "openvino" if device.type == "cpu" and importlib.util.find_spec("openvino") else "torch"
    packages = _PACKAGES.get(name, {})
    missing = [package for module, package in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        command = f"pip install {' '.join(missing)}"
        raise LosslessError(f"runtime {name} is not installed; run: {command}, or use runtime torch")
    required = _DEVICES.get(name, device.type)
    if device.type != required:
        raise LosslessError(f"runtime {name} runs on {required}, not on {device.type}; use runtime torch there")
    return name


def find_precision(name: str, runtime: str) -> str:
    """Return the precision in which `runtime` computes backbone and adapters.

    auto is float16 for cuda_graph, which keeps proprioception and head in float32; `load_policy` falls back to float32
    where that is not accurate. For tensorrt, which computes everything in float16, and for all others auto is float32.

    Raises:
        LosslessError: the precision is unknown, or the runtime cannot compute in it.
    """
    if name not in PRECISIONS:
        raise unknown("precision", name, PRECISIONS)
    if name == "auto":
        return "float16" if runtime == "cuda_graph" else "float32"
    if name == "float16" and runtime not in _HALF_PRECISION:
        raise LosslessError(f"runtime {runtime} computes in float32; float16 is for {' and '.join(_HALF_PRECISION)}")
    return name


def takes_batches(runtime: str) -> bool:
    """Return whether a runtime takes several frames at once; graphs are for the one frame of a control period."""
    return runtime == "torch"


def make_runtime(name: str, precision: str, network: "Network", backbone: "Backbone") -> "Runner":
    """Return a runner of `network` on `backbone`, which are on their device already.

    The first network of a shape compiles a graph, which all others on the same backbone object share.

    Args:
        name: one of RUNTIMES, not auto.
        precision: one of PRECISIONS, not auto.
        network: the policy's own; its weights must not change afterwards.
        backbone: the shared one.

    Raises:
        LosslessError: the runtime's libraries cannot run the graph.
    """
    if name == "torch":
        return lambda images, proprioception: network(backbone, images, proprioception)
    import torch

    shapes = tuple((weight, tuple(tensor.shape)) for weight, tensor in network.state_dict().items())
    device, threads = str(network.mean.device), torch.get_num_threads()
    key = (name, precision, device, threads, network.config, network.cameras, shapes)
    if name == "openvino":
        from lossless_ros.models.runtimes import openvino

        kept = (backbone.fingerprint, backbone.preprocessing, *key)
        graph = _openvino_graphs.pop(kept, None) or openvino.compile_graph(network, backbone)
        _openvino_graphs[kept] = graph
        if len(_openvino_graphs) > _MAX_OPENVINO_GRAPHS:
            _openvino_graphs.popitem(last=False)
        return openvino.BoundGraph(graph, network)
    graphs = _graphs.setdefault(backbone, {})
    if name in ("onnxruntime", "tensorrt"):
        from lossless_ros.models.runtimes import onnx

        if key not in graphs:
            graphs[key] = onnx.make_session(network, backbone, name, precision == "float16")
        return onnx.BoundGraph(graphs[key], network)
    from lossless_ros.models.runtimes.cuda_graph import CudaGraph

    if key not in graphs:
        graphs[key] = CudaGraph(network, backbone, getattr(torch, precision))
    return graphs[key].bind(network)

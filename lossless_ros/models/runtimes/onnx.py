"""Networks as ONNX graphs in ONNX Runtime: on a CPU, or on a GPU by TensorRT where that is installed.

What TensorRT cannot run of a graph, ONNX Runtime runs on the same GPU by CUDA.
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.runtimes.export import WeightsAsInputs, example
from lossless_ros.paths import cache_dir

_PROVIDERS = {  # by runtime and device, the wanted one first
    ("onnxruntime", "cpu"): ["CPUExecutionProvider"],
    ("onnxruntime", "cuda"): ["CUDAExecutionProvider", "CPUExecutionProvider"],
    ("tensorrt", "cuda"): ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


def make_session(network: Network, backbone: Backbone, runtime: str, half: bool) -> Any:
    """The session of all networks of this one's shape, for one frame; takes seconds, with TensorRT minutes.

    Raises:
        LosslessError: the installed ONNX Runtime cannot run it so.
    """
    import onnxruntime

    inputs, device = example(network), network.mean.device
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own use of torch
        program = torch.onnx.export(WeightsAsInputs(network, backbone).eval(), inputs, dynamo=True, verbose=False)
    assert program
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    names = _PROVIDERS[runtime, device.type]
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    extra: dict[str, dict[str, Any]] = {
        "TensorrtExecutionProvider": {
            **{"trt_fp16_enable": half, "trt_engine_cache_enable": True, "trt_timing_cache_enable": True},
            "trt_engine_cache_path": str(cache_dir() / "tensorrt"),  # an engine takes minutes to build
        },
        "CUDAExecutionProvider": {"use_tf32": "0"},
    }
    settings = [
        (name, {} if name.startswith("CPU") else {"device_id": device.index or 0, **extra.get(name, {})})
        for name in names
    ]
    there = onnxruntime.get_available_providers()
    session = None
    if names[0] in there:
        graph = program.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(graph, options, providers=[p for p in settings if p[0] in there])
    if session is None or not _runs(session, names[0]):
        raise LosslessError(
            f"runtime {runtime} needs ONNX Runtime's {names[0]} and its libraries; here are {', '.join(there)}"
        )
    return session


def _runs(session: Any, provider: str) -> bool:
    """Whether a provider got some of the graph; those that do not find their libraries are left out in silence."""
    if session.get_providers()[0] != provider:
        return False
    if not hasattr(session, "get_provider_graph_assignment_info"):  # before 1.24
        return True
    return any(part.ep_name == provider for part in session.get_provider_graph_assignment_info())


class BoundGraph:
    """Runs a session with one network's weights, which it reads where they are."""

    def __init__(self, session: Any, network: Network) -> None:
        self._session, self._binding = session, session.io_binding()
        self._device = network.mean.device
        self._weights = [
            weight.contiguous() for weight in network.state_dict().values()
        ]  # kept: they are read in place
        self._names = [place.name for place in session.get_inputs()]
        for name, weight in zip(self._names[2:], self._weights, strict=True):
            self._give(name, weight)
        (place,) = session.get_outputs()
        self._raw = torch.zeros(place.shape, device=self._device)
        self._bind(self._binding.bind_output, place.name, self._raw)

    def __call__(self, images: Tensor, proprioception: Tensor) -> Tensor:
        inputs = (images.permute(0, 2, 3, 1).contiguous(), proprioception.contiguous())
        for name, tensor in zip(self._names, inputs, strict=False):
            self._give(name, tensor)
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()  # the inputs have to be there
        self._session.run_with_iobinding(self._binding)
        return self._raw.clone()

    def _give(self, name: str, tensor: Tensor) -> None:
        self._bind(self._binding.bind_input, name, tensor)

    def _bind(self, bind: Any, name: str, tensor: Tensor) -> None:
        where = (self._device.type, self._device.index or 0)
        bind(name, *where, np.float32, tuple(tensor.shape), tensor.data_ptr())

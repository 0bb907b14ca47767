"""Networks as ONNX graphs in ONNX Runtime: on a CPU or GPU, or on a GPU through TensorRT where that is installed.

What TensorRT cannot run of a graph, ONNX Runtime runs on the same GPU with CUDA.
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.runtimes.export import WeightsAsInputs, example_inputs
from lossless_ros.paths import cache_dir

_PROVIDERS = {  # by runtime and device, the required one first
    ("onnxruntime", "cpu"): ["CPUExecutionProvider"],
    ("onnxruntime", "cuda"): ["CUDAExecutionProvider", "CPUExecutionProvider"],
    ("tensorrt", "cuda"): ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


def make_session(network: Network, backbone: Backbone, runtime: str, half: bool) -> Any:
    """Return the session, for one frame, of all networks of this one's shape; takes seconds, with TensorRT minutes.

    Args:
        network: on its device already, like the backbone.
        backbone: its weights become constants of the graph.
        runtime: onnxruntime or tensorrt.
        half: whether TensorRT may compute in float16.

    Raises:
        LosslessError: the installed ONNX Runtime cannot run the graph with the runtime's provider.
    """
    import onnxruntime

    required = _PROVIDERS[runtime, network.mean.device.type][0]
    available = onnxruntime.get_available_providers()
    session = None
    if required in available:
        session = onnxruntime.InferenceSession(
            _export(network, backbone), _options(), providers=_providers(runtime, network.mean.device, half, available)
        )
    if session is None or not _runs(session, required):
        raise LosslessError(
            f"runtime {runtime} needs ONNX Runtime's {required} and its libraries; available: {', '.join(available)}"
        )
    return session


def _export(network: Network, backbone: Backbone) -> bytes:
    """Return the network as a serialized ONNX model."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter uses deprecated parts of torch
        program = torch.onnx.export(
            WeightsAsInputs(network, backbone).eval(), example_inputs(network), dynamo=True, verbose=False
        )
    assert program
    model: bytes = program.model_proto.SerializeToString()
    return model


def _options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")  # for `_runs`
    return options


def _providers(
    runtime: str, device: torch.device, half: bool, available: list[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Return the available providers of a runtime with their options, in order of preference."""
    gpu = {"device_id": device.index or 0}
    options: dict[str, dict[str, Any]] = {
        "TensorrtExecutionProvider": {
            **gpu,
            "trt_fp16_enable": half,
            "trt_engine_cache_enable": True,
            "trt_timing_cache_enable": True,
            "trt_engine_cache_path": str(cache_dir() / "tensorrt"),  # an engine takes minutes to build
        },
        "CUDAExecutionProvider": {**gpu, "use_tf32": "0"},
        "CPUExecutionProvider": {},
    }
    return [(name, options[name]) for name in _PROVIDERS[runtime, device.type] if name in available]


def _runs(session: Any, provider: str) -> bool:
    """Return whether a provider runs part of the graph; one whose libraries are missing is dropped silently."""
    if session.get_providers()[0] != provider:
        return False
    if not hasattr(session, "get_provider_graph_assignment_info"):  # before 1.24
        return True
    return any(part.ep_name == provider for part in session.get_provider_graph_assignment_info())


class BoundGraph:
    """A `Runner` of a session with one network's weights, which are read in place."""

    def __init__(self, session: Any, network: Network) -> None:
        self._session, self._binding = session, session.io_binding()
        self._device = network.mean.device
        # Kept as attributes: the session reads them in place.
        self._weights = [weight.contiguous() for weight in network.state_dict().values()]
        self._names = [node.name for node in session.get_inputs()]
        for name, weight in zip(self._names[2:], self._weights, strict=True):
            self._bind(self._binding.bind_input, name, weight)
        (output,) = session.get_outputs()
        self._outputs = torch.zeros(output.shape, device=self._device)
        self._bind(self._binding.bind_output, output.name, self._outputs)

    def __call__(self, images: Tensor, proprioception: Tensor) -> Tensor:
        inputs = (images.permute(0, 2, 3, 1).contiguous(), proprioception.contiguous())
        for name, tensor in zip(self._names, inputs, strict=False):
            self._bind(self._binding.bind_input, name, tensor)
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()  # ONNX Runtime reads the inputs on its own stream
        self._session.run_with_iobinding(self._binding)
        return self._outputs.clone()

    def _bind(self, bind: Any, name: str, tensor: Tensor) -> None:
        index = self._device.index or 0
        bind(name, self._device.type, index, np.float32, tuple(tensor.shape), tensor.data_ptr())

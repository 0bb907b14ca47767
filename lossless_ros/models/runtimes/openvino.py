"""Networks as OpenVINO graphs on the CPU, in float32, with torch's number of threads.

torch traces the graph and OpenVINO's frontend for such traces reads it; `openvino.convert_model` does the same in six
times the time. A ViT at another image size than its own differs most from torch, because OpenVINO
resamples the position embedding in another way.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.runtimes.export import WeightsAsInputs, example_inputs
from lossless_ros.models.runtimes.openvino_import import import_openvino


def compile_graph(network: Network, backbone: Backbone) -> Any:
    """Return the compiled graph, for one frame, of all networks of this one's shape; takes seconds."""
    return compile_module(WeightsAsInputs(network, backbone), example_inputs(network))


def compile_module(module: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Return the compiled graph of a module for float32 inputs of these shapes."""
    ov = import_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that shapes become constants, which is intended
        traced = torch.jit.trace(module, inputs, check_trace=False)
        decoder = TorchScriptPythonDecoder(traced, example_input=inputs)  # must stay alive until the graph is converted
        frontend = FrontEndManager().load_by_framework("pytorch")
        graph = frontend.load(decoder)
    for place, tensor in zip(graph.get_inputs(), inputs, strict=True):
        graph.set_partial_shape(place, ov.PartialShape(list(tensor.shape)))
        graph.set_element_type(place, ov.Type.f32)
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
    }
    return ov.Core().compile_model(frontend.convert(graph), "CPU", settings)


class BoundGraph:
    """A `Runner` of a compiled graph with one network's weights, which are read in place."""

    def __init__(self, graph: Any, network: Network) -> None:
        self._request = graph.create_infer_request()
        self._weights = list(network.state_dict().values())  # the request does not keep alive what it reads
        for index, weight in enumerate(self._weights, 2):
            self._set_input(index, weight)

    def __call__(self, images: Tensor, proprioception: Tensor) -> Tensor:
        inputs = (images.permute(0, 2, 3, 1).contiguous(), proprioception.contiguous())
        for index, tensor in enumerate(inputs):
            self._set_input(index, tensor)
        self._request.infer()
        return torch.from_numpy(self._request.get_output_tensor(0).data.copy())

    def _set_input(self, index: int, tensor: Tensor) -> None:
        ov = import_openvino()
        self._request.set_input_tensor(index, ov.Tensor(tensor.numpy(), shared_memory=True))

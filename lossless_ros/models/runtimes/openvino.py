"""Networks as OpenVINO graphs for the CPU, in float32, with torch's number of threads.

The graph is traced by torch and read by OpenVINO's own reader of such traces; its `convert_model` does the same in
six times the time and reports its use over the network. A ViT at another image size than its own differs most from
torch, because OpenVINO resamples its positions in its own way.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network
from lossless_ros.models.runtimes.export import WeightsAsInputs, example


def compile_graph(network: Network, backbone: Backbone) -> Any:
    """The compiled graph of all networks of this one's shape, for one frame; takes seconds."""
    import openvino as ov
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    inputs = example(network)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes becoming constants, which is meant
        traced = torch.jit.trace(WeightsAsInputs(network, backbone), inputs, check_trace=False)
        decoder = TorchScriptPythonDecoder(traced, example_input=inputs)  # has to live until the graph is converted
        reader = FrontEndManager().load_by_framework("pytorch")
        graph = reader.load(decoder)
    for place, tensor in zip(graph.get_inputs(), inputs, strict=True):
        graph.set_partial_shape(place, ov.PartialShape(list(tensor.shape)))
        graph.set_element_type(place, ov.Type.f32)
    how = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
    }
    return ov.Core().compile_model(reader.convert(graph), "CPU", how)


class BoundGraph:
    """Runs a graph with one network's weights, which it reads where they are."""

    def __init__(self, graph: Any, network: Network) -> None:
        self._request = graph.create_infer_request()
        self._weights = list(network.state_dict().values())  # a request does not keep alive what it reads
        for index, weight in enumerate(self._weights, 2):
            self._give(index, weight)

    def __call__(self, images: Tensor, proprioception: Tensor) -> Tensor:
        inputs = (images.permute(0, 2, 3, 1).contiguous(), proprioception.contiguous())
        for index, tensor in enumerate(inputs):
            self._give(index, tensor)
        self._request.infer()
        return torch.from_numpy(self._request.get_output_tensor(0).data.copy())

    def _give(self, index: int, tensor: Tensor) -> None:
        import openvino as ov

        self._request.set_input_tensor(index, ov.Tensor(tensor.numpy(), shared_memory=True))

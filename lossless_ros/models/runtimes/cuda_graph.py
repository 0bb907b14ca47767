"""Networks as CUDA graphs: one launch per frame. Backbone and adapters may be in half precision, top and head not."""

import copy
import threading
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.fuse_batchnorm import fuse_batchnorm
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import normalize

if TYPE_CHECKING:
    from lossless_ros.models.runtimes.registry import Run

_WARM_UPS = 3  # before a capture: libraries choose their kernels and get their memory
_capturing = threading.Lock()  # a process may capture one graph at a time


class CudaGraph:
    """The graph of all networks of one shape. It holds copies of its own, so the backbone that is shared stays single.

    Proprioception stays in single precision: in half, 0.001 rad of an angle is lost already.
    """

    def __init__(self, network: Network, backbone: Backbone, precision: torch.dtype) -> None:
        self._network = copy.deepcopy(network)
        how: dict[str, Any] = {"dtype": precision, "memory_format": torch.channels_last}
        if self._network.trainable_backbone:
            self._backbone = self._network.trainable_backbone.to(**how).backbone
        else:
            model = copy.deepcopy(fuse_batchnorm(backbone).model).to(**how)
            self._backbone = Backbone(backbone.name, backbone.family, model, backbone.source)
        self._network.adapters.to(precision)
        self._worn: Network | None = None
        self._lock = threading.Lock()
        size, device = network.config.image_size, network.mean.device
        shape = (network.cameras, 3, size, size)
        self._images = torch.zeros(shape, dtype=precision, device=device).to(memory_format=torch.channels_last)
        self._felt = torch.zeros(1, len(network.mean), device=device)
        with _capturing, torch.cuda.device(device), torch.inference_mode():
            self._graph, self._raw = self._capture()

    def bind(self, network: Network) -> "Run":
        """A function that runs the graph with this network's weights; they are copied when another's were in it."""
        own = self._network.state_dict()
        weights = [tensor.to(own[name].dtype) for name, tensor in network.state_dict().items()]
        places = list(own.values())

        def run(images: Tensor, proprioception: Tensor) -> Tensor:
            with self._lock, torch.inference_mode(), torch.cuda.device(self._felt.device):
                if self._worn is not network:
                    self._worn = None  # should copying fail half-way
                    torch._foreach_copy_(places, weights)
                    self._worn = network
                self._images.copy_(normalize(images, self._backbone.preprocessing))
                self._felt.copy_(proprioception)
                self._graph.replay()
                return self._raw.clone()

        return run

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._forward()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The robot is driven by other threads meanwhile, which may not be kept from what a capture forbids its own.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            raw = self._forward()
        return graph, raw

    def _forward(self) -> Tensor:
        features = self._backbone.features(self._images, self._network.adapters)
        return self._network.forward_head(self._backbone.spatial(features).float(), self._felt)

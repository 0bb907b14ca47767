"""Networks as CUDA graphs: one launch per frame. Backbone and adapters may run in float16, top and head do not."""

import copy
import threading
from typing import Any

import torch
from torch import Tensor

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.fuse_batchnorm import fuse_batchnorm
from lossless_ros.models.network import Network
from lossless_ros.models.preprocess import normalize
from lossless_ros.models.runtimes.base import Runner

_WARM_UPS = 3  # runs before the capture, in which libraries choose kernels and allocate memory
_capture_lock = threading.Lock()  # a process may capture only one graph at a time


class CudaGraph:
    """The graph of all networks of one shape, with its own copies of backbone and network.

    Proprioception stays in float32, since float16 loses 0.001 rad of an angle.
    """

    def __init__(self, network: Network, backbone: Backbone, precision: torch.dtype) -> None:
        """Capture the graph for one frame, with backbone and adapters in `precision`; takes seconds."""
        self._network = copy.deepcopy(network)
        layout: dict[str, Any] = {"dtype": precision, "memory_format": torch.channels_last}
        if self._network.trainable_backbone:
            self._backbone = self._network.trainable_backbone.to(**layout).backbone
        else:
            model = copy.deepcopy(fuse_batchnorm(backbone).model).to(**layout)
            self._backbone = Backbone(backbone.name, backbone.family, model, backbone.source)
        self._network.adapters.to(precision)
        self._loaded: Network | None = None  # the network whose weights are in the graph
        self._lock = threading.Lock()
        size, device = network.config.image_size, network.mean.device
        shape = (network.cameras, 3, size, size)
        self._images = torch.zeros(shape, dtype=precision, device=device).to(memory_format=torch.channels_last)
        self._proprioception = torch.zeros(1, len(network.mean), device=device)
        with _capture_lock, torch.cuda.device(device), torch.inference_mode():
            self._graph, self._outputs = self._capture()

    def bind(self, network: Network) -> Runner:
        """Return a runner with this network's weights, which it copies into the graph if others are loaded."""
        own = self._network.state_dict()
        weights = [tensor.to(own[name].dtype) for name, tensor in network.state_dict().items()]
        targets = list(own.values())

        def run(images: Tensor, proprioception: Tensor) -> Tensor:
            with self._lock, torch.inference_mode(), torch.cuda.device(self._proprioception.device):
                if self._loaded is not network:
                    self._loaded = None  # in case the copy fails halfway
                    torch._foreach_copy_(targets, weights)
                    self._loaded = network
                self._images.copy_(normalize(images, self._backbone.preprocessing))
                self._proprioception.copy_(proprioception)
                self._graph.replay()
                return self._outputs.clone()

        return run

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Return the captured graph and the tensor (1, T * W) that it writes to."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._forward()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads keep driving the robot: only this thread must refrain from what a capture forbids.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            outputs = self._forward()
        return graph, outputs

    def _forward(self) -> Tensor:
        features = self._backbone.maps(self._images, self._network.taps, self._network.adapters)
        return self._network.forward_head([feature.float() for feature in features], self._proprioception)

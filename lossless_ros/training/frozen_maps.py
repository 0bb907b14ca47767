"""The frozen backbone's maps for training, computed by OpenVINO: on a CPU, two to four times as fast as eager torch."""

from typing import Any

import torch
from torch import Tensor, nn

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.preprocess import normalize
from lossless_ros.models.runtimes.openvino_import import import_openvino


class FrozenMaps:
    """Computes `Backbone.maps` of a backbone that does not change, in float32; one graph per batch size.

    Args:
        backbone: frozen, on the CPU.
        taps: the maps to return, see `Backbone.maps`.
    """

    def __init__(self, backbone: Backbone, taps: tuple[str, ...]) -> None:
        self._maps = _Maps(backbone, taps)
        self._graphs: dict[tuple[int, ...], Any] = {}

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return maps (N, C, h, w) of images (N, 3, S, S) in 0..1."""
        ov = import_openvino()
        images = images.contiguous()
        graph = self._graphs.get(tuple(images.shape))
        if graph is None:
            graph = self._graphs[tuple(images.shape)] = self._compile(images)
        graph.set_input_tensor(0, ov.Tensor(images.numpy(), shared_memory=True))
        graph.infer()
        outputs = [graph.get_output_tensor(index) for index in range(self._maps.count)]
        return tuple(torch.from_numpy(output.data.copy()) for output in outputs)

    def _compile(self, images: Tensor) -> Any:
        from lossless_ros.models.runtimes.openvino import compile_module

        return compile_module(self._maps, (images,)).create_infer_request()


class _Maps(nn.Module):
    def __init__(self, backbone: Backbone, taps: tuple[str, ...]) -> None:
        super().__init__()
        self.model = backbone.model  # a submodule, so that its weights become constants of the graph
        self.count = max(1, len(taps))
        self._arguments = (backbone, taps)  # a tuple, so that the model does not become a submodule twice

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        backbone, taps = self._arguments
        return backbone.maps(normalize(images, backbone.preprocessing), taps)

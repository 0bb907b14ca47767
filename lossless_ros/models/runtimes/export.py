"""A network whose weights are arguments of the call: what graphs are exported from."""

import copy

import torch
from torch import Tensor, nn

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network


class WeightsAsInputs(nn.Module):
    """Images come as they lie in memory, channels innermost; weights in the order of the network's state."""

    def __init__(self, network: Network, backbone: Backbone) -> None:
        super().__init__()
        self.model = backbone.model  # its weights are the graph's constants
        self._names = list(network.state_dict())
        self._parts = (copy.deepcopy(network), backbone)  # in a tuple they are no modules of this one

    def forward(self, images: Tensor, proprioception: Tensor, *weights: Tensor) -> Tensor:
        network, backbone = self._parts
        for name, weight in zip(self._names, weights, strict=True):
            path, _, leaf = name.rpartition(".")
            owner = network.get_submodule(path)
            delattr(owner, leaf)  # a parameter gives way to a plain attribute only when it is gone
            setattr(owner, leaf, weight)
        raw: Tensor = network(backbone, images.permute(0, 3, 1, 2), proprioception)
        return raw


def example(network: Network) -> tuple[Tensor, ...]:
    """Inputs for one frame: images (cameras, S, S, 3), proprioception (1, P), the network's weights."""
    size = network.config.image_size
    images, felt = torch.zeros(network.cameras, size, size, 3), torch.zeros(1, len(network.mean))
    device = network.mean.device
    return (images.to(device), felt.to(device), *network.state_dict().values())

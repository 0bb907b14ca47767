"""A network whose weights are arguments of the call, so that one exported graph serves all networks of its shape."""

import copy

import torch
from torch import Tensor, nn

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network import Network


class WeightsAsInputs(nn.Module):
    """A network to export: takes images, proprioception, then the weights in the order of the network's state dict."""

    def __init__(self, network: Network, backbone: Backbone) -> None:
        super().__init__()
        self.model = backbone.model  # a submodule, so that its weights become constants of the graph
        self._names = list(network.state_dict())
        self._parts = (copy.deepcopy(network), backbone)  # a tuple, so that the network does not become a submodule

    def forward(self, images: Tensor, proprioception: Tensor, *weights: Tensor) -> Tensor:
        """Return the head outputs (B, T * W) for images (cameras * B, S, S, 3) in 0..1 and proprioception (B, P)."""
        network, backbone = self._parts
        for name, weight in zip(self._names, weights, strict=True):
            path, _, leaf = name.rpartition(".")
            owner = network.get_submodule(path)
            delattr(owner, leaf)  # torch does not assign a plain tensor over a parameter
            setattr(owner, leaf, weight)
        outputs: Tensor = network(backbone, images.permute(0, 3, 1, 2), proprioception)
        return outputs


def example_inputs(network: Network) -> tuple[Tensor, ...]:
    """Return inputs for one frame: images (cameras, S, S, 3), proprioception (1, P) and the network's weights."""
    size, device = network.config.image_size, network.mean.device
    images = torch.zeros(network.cameras, size, size, 3).to(device)
    proprioception = torch.zeros(1, len(network.mean)).to(device)
    return (images, proprioception, *network.state_dict().values())

"""A policy's own copy of a backbone, for the modes that change it: `full` and `scratch`. The shared one stays."""

import copy

from torch import nn

from lossless_ros.models.backbones import Backbone, find_entry
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.weights import create


class OwnBackbone(nn.Module):
    """A trainable copy of `shared`, without its classifier.

    A copy that begins pretrained keeps the running statistics of its BatchNorms, in training as well: batches are small
    and of few episodes, and so a policy trains on the function that will drive the robot. Their scales and offsets
    are trained. One that begins at random has no statistics worth keeping: it normalises by the batch while it trains
    and collects its own.
    """

    def __init__(self, shared: Backbone, begin: str) -> None:
        super().__init__()
        random = begin == RANDOM
        model = create(find_entry(shared.name).timm_name) if random else copy.deepcopy(shared.model)
        setattr(model, model.default_cfg["classifier"].split(".")[0], nn.Identity())
        self.backbone = Backbone(shared.name, shared.family, model, shared.source)
        self.model = model.requires_grad_(True)
        self._keeps_statistics = not random

    def train(self, mode: bool = True) -> "OwnBackbone":
        """As torch's, except that a pretrained copy's BatchNorms stay in eval mode."""
        super().train(mode)
        if self._keeps_statistics:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

"""A policy's own copy of a backbone, for the modes that change it: `full` and `scratch`. The shared one stays."""

import copy
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossless_ros.models.backbones import Backbone, find_entry
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.weights import create


class TrainableBackbone(nn.Module):
    """A trainable model of the kind of `like`, without its classifier.

    With `keeps_statistics` its BatchNorms use their running statistics in training as well: batches are small and of
    few episodes, and so a policy trains on the function that will drive the robot. Their scales and offsets learn.
    Without, they normalize by the batch in training and collect statistics, as a model needs that begins at random.
    """

    def __init__(self, like: Backbone, model: Any, keeps_statistics: bool) -> None:
        super().__init__()
        setattr(model, model.default_cfg["classifier"].split(".")[0], nn.Identity())
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.num_batches_tracked = None  # a count that nothing reads here
        self.backbone = Backbone(like.name, like.family, model, like.source)
        self.model = model.requires_grad_(True)
        self._keeps_statistics = keeps_statistics

    def train(self, mode: bool = True) -> "TrainableBackbone":
        """As torch's, except for BatchNorms that keep their statistics."""
        super().train(mode)
        if self._keeps_statistics:
            for module in self.model.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def __deepcopy__(self, memo: dict) -> "TrainableBackbone":
        """A backbone's segments are functions of its model, which copying would leave with the old one."""
        return TrainableBackbone(self.backbone, copy.deepcopy(self.model, memo), self._keeps_statistics).train(
            self.training
        )


def trainable_backbone(shared: Backbone, begin: str) -> TrainableBackbone:
    """A copy of `shared` (begin: pretrained), or its architecture with random weights (begin: random)."""
    if begin == RANDOM:
        return TrainableBackbone(shared, create(find_entry(shared.name).timm_name), keeps_statistics=False)
    return TrainableBackbone(shared, copy.deepcopy(shared.model), keeps_statistics=True)

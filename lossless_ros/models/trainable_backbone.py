"""A policy's own trainable copy of a backbone, for the modes `full` and `scratch`. The shared backbone stays frozen."""

import copy
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossless_ros.models.backbones import Backbone, find_entry
from lossless_ros.models.network_config import RANDOM
from lossless_ros.models.weights import create_model


class TrainableBackbone(nn.Module):
    """A trainable model of the same architecture as a shared backbone, without the classifier.

    With `freeze_statistics` its BatchNorms use their running statistics in training too, since batches are small and
    from few episodes: the policy is then trained as the function that drives the robot. Scales and offsets still
    train. Without it they normalize by the batch and update the statistics, as random initialization needs.
    """

    def __init__(self, like: Backbone, model: Any, freeze_statistics: bool) -> None:
        """Make `model`, of the architecture of `like`, trainable in place."""
        super().__init__()
        setattr(model, model.default_cfg["classifier"].split(".")[0], nn.Identity())
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.num_batches_tracked = None  # an unused counter, which would end up in the bundle
        self.backbone = Backbone(like.name, like.family, model, like.source)
        self.model = model.requires_grad_(True)
        self._freeze_statistics = freeze_statistics

    def train(self, mode: bool = True) -> "TrainableBackbone":
        """Set the training mode, except of BatchNorms with frozen statistics."""
        super().train(mode)
        if self._freeze_statistics:
            for module in self.model.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def __deepcopy__(self, memo: dict) -> "TrainableBackbone":
        """Copy the model and build new segments; copied ones would still call the old model."""
        model = copy.deepcopy(self.model, memo)
        return TrainableBackbone(self.backbone, model, self._freeze_statistics).train(self.training)


def make_trainable_backbone(shared: Backbone, init: str) -> TrainableBackbone:
    """Return a copy of `shared` (`init`: pretrained), or its architecture with random weights (`init`: random)."""
    if init == RANDOM:
        return TrainableBackbone(shared, create_model(find_entry(shared.name).timm_name), freeze_statistics=False)
    return TrainableBackbone(shared, copy.deepcopy(shared.model), freeze_statistics=True)

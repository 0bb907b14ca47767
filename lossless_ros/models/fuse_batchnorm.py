"""Fuse a backbone's BatchNorms into the preceding convolutions; same outputs up to rounding, faster."""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lossless_ros.models.backbones import Backbone

_TOLERANCE = 1e-3  # of the largest feature; in float32 the rounding error is a hundredth of that


def fuse_batchnorm(backbone: Backbone) -> Backbone:
    """Return a copy of the backbone with its BatchNorms fused, or the backbone itself if that is not possible.

    It is not possible if no convolution is followed by a BatchNorm, or if the copy's features differ from the
    backbone's by more than rounding.
    """
    model = copy.deepcopy(backbone.model)
    pairs = 0
    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (conv_name, conv), (norm_name, norm) in zip(children, children[1:], strict=False):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, _BatchNorm) and norm.num_features == conv.out_channels:
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                activation = getattr(norm, "act", nn.Identity())  # timm's norms may include it
                setattr(parent, norm_name, activation)
                pairs += 1
    if not pairs:
        return backbone
    fused = Backbone(backbone.name, backbone.family, model, backbone.source)
    fused.model.to(memory_format=torch.channels_last)
    return fused if _same_features(fused, backbone) else backbone


def _same_features(fused: Backbone, backbone: Backbone) -> bool:
    size = backbone.preprocessing.size
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    # TF32, the default for convolutions on a GPU, may differ by more than the tolerance even for the same function.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        a, b = (model.features(image.to(model.device)) for model in (fused, backbone))
        return bool((a - b).abs().max() <= _TOLERANCE * b.abs().max())

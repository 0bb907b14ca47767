"""A frozen backbone with its BatchNorms folded into the convolutions before them: the same function, sooner."""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lossless_ros.models.backbones import Backbone

_TOLERANCE = 1e-3  # of the largest feature; float32 differs by a hundredth of that


def fuse_batchnorm(backbone: Backbone) -> Backbone:
    """A copy for training, in which a step need not compute and keep what each BatchNorm does.

    Its features are those of `backbone` up to rounding. A model whose convolutions and BatchNorms do not stand in
    pairs comes back as it is.
    """
    model = copy.deepcopy(backbone.model)
    pairs = 0
    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (name, conv), (after, norm) in zip(children, children[1:], strict=False):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, _BatchNorm) and norm.num_features == conv.out_channels:
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, after, getattr(norm, "act", nn.Identity()))  # timm's norms may end in an activation
                pairs += 1
    if not pairs:
        return backbone
    made = Backbone(backbone.name, backbone.family, model, backbone.source)
    made.model.to(memory_format=torch.channels_last)
    return made if _same(made, backbone) else backbone


def _same(one: Backbone, other: Backbone) -> bool:
    image = torch.rand(1, 3, *[other.preprocessing.size] * 2, generator=torch.Generator().manual_seed(0))
    # In TF32, a GPU's usual arithmetic for convolutions, even the same function may differ by more.
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        a, b = (backbone.features(image.to(backbone.device)) for backbone in (one, other))
        return bool((a - b).abs().max() <= _TOLERANCE * b.abs().max())

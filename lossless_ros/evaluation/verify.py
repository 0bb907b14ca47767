"""The lossless proof: a backbone that wears a bundle is, bit for bit, the one that was loaded from the source."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossless_ros.models import backbones
from lossless_ros.models.adapters import count
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import Bundle, load_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.models.preprocess import normalize, to_batch
from lossless_ros.observation.frames import Frame


def verify(
    bundle: Path,
    images: np.ndarray | None = None,
    backbone: Backbone | None = None,
    weights: Path | None = None,
) -> dict[str, Any]:
    """Let the policy act, then compare its backbone with a fresh load from the source.

    Args:
        bundle: the file.
        images: real images (N, H, W, 3) uint8 RGB to compare outputs on; without them, seeded noise and gradients.
        backbone: one that is in use already; without it, one is loaded.
        weights: local file with the backbone's weights; without it they come from where the bundle says.

    Returns:
        JSON-able; `ok` only if every check holds, and then `failures` is empty. `bundle_share` is the bundle's size
        on disk in parts of the backbone's bytes, `adapter_share` that of the bottom and middle adapters' parameters.
        For a mode that changes the backbone (full, scratch) `ok` is false and `reason` says so.

    Raises:
        LosslessError: the bundle cannot be loaded or is for another backbone.
    """
    description, tensors = load_bundle(bundle)
    if description.network.trainable_backbone:
        return _not_lossless(bundle, description, tensors)
    policy = load_policy(bundle, "cpu", backbone, weights)
    worn = policy.backbone
    source = backbones.load_plain(worn.name, worn.source)
    kind = "given" if images is not None else "synthetic"
    images = images if images is not None else _synthetic(4, worn.preprocessing.size)
    frames = [_frame(policy.contract, image) for image in images]
    policy.act_batch(frames)

    differing = _differing(source, worn.model)
    theirs = dict(backbones.state(source)).keys() - policy.network.state_dict().keys()  # a ViT has a `norm` as well
    names = [n for n in tensors if n.startswith("backbone.") or n in theirs]
    size = policy.network.config.image_size
    checks = {
        "parameters_equal": not differing,
        "fingerprint_equal": backbones.fingerprint(source) == worn.fingerprint == description.fingerprint,
        "batchnorm_unmoved": not any("running_" in n or "num_batches" in n for n in differing),
        "outputs_equal": _outputs_equal(source, worn, images, size),
        "frozen": not worn.model.training and not any(p.requires_grad for p in worn.model.parameters()),
        "bundle_free_of_backbone": not names and not _holds_copy(tensors, source),
    }
    weight_bytes = sum(t.numel() * t.element_size() for _, t in backbones.state(source))
    return {
        "ok": all(checks.values()),
        "failures": [name for name, holds in checks.items() if not holds],
        "bundle": str(bundle),
        "backbone": worn.name,
        "source": worn.source,
        "fingerprint": worn.fingerprint,
        **checks,
        "differing": differing[:8],
        "images": {"kind": kind, "count": len(images)},
        "bundle_bytes": bundle.stat().st_size,
        "backbone_bytes": weight_bytes,
        "bundle_share": bundle.stat().st_size / weight_bytes,
        "adapter_share": count(policy.network.adapters) / worn.parameters,
    }


def _not_lossless(path: Path, bundle: Bundle, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The answer for a mode that trains a copy of the backbone: there is nothing to prove."""
    reason = f"mode {bundle.mode} trains a copy of {bundle.backbone}, which is in the bundle: not lossless by design"
    weight_bytes = sum(
        t.numel() * t.element_size() for name, t in tensors.items() if name.startswith("trainable_backbone.")
    )
    return {
        "ok": False,
        "failures": [reason],
        "reason": reason,
        "bundle": str(path),
        "backbone": bundle.backbone,
        "parameters_equal": False,
        "outputs_equal": False,
        "bundle_bytes": path.stat().st_size,
        "backbone_bytes": weight_bytes,
        "bundle_share": path.stat().st_size / weight_bytes,
    }


def _differing(source: Any, worn: Any) -> list[str]:
    """Names of parameters and buffers that are not equal, or that only one model has."""
    a, b = dict(backbones.state(source)), dict(backbones.state(worn))
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or not torch.equal(a[n].cpu(), b[n].cpu()))


def _outputs_equal(source: Any, worn: Backbone, images: np.ndarray, size: int) -> bool:
    """Whether features and logits without adapters are timm's, at the policy's size and at the backbone's own."""
    with torch.inference_mode():
        for side in {size, worn.preprocessing.size}:
            x = normalize(to_batch([images], side, worn.preprocessing, "cpu"), worn.preprocessing)
            plain, features = source.forward_features(x), worn.features(x)
            if not torch.equal(plain, features) or not torch.equal(source.forward_head(plain), worn.classify(features)):
                return False
    return True


def _holds_copy(tensors: dict[str, torch.Tensor], source: Any) -> bool:
    """Whether a tensor of the bundle equals one of the backbone's (constant ones, such as zeros, say nothing)."""
    own = [t for _, t in backbones.state(source) if t.numel() > 1 and t.min() != t.max()]
    return any(t.shape == o.shape and torch.equal(t, o) for t in tensors.values() for o in own)


def _frame(contract: Any, image: np.ndarray) -> Frame:
    from lossless_ros.observation.images import fit

    images = tuple(fit(image, c.width, c.height) for c in contract.cameras)
    return Frame(0, images, np.zeros(contract.proprioception_dim, np.float32), {})


def _synthetic(count: int, size: int) -> np.ndarray:
    """Seeded noise over gradients (count, size, size, 3) uint8."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size)[None, :, None, None] * rng.uniform(0, 1, (count, 1, 1, 3))
    return (ramp + rng.uniform(0, 55, (count, size, size, 3))).astype(np.uint8)

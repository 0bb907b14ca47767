"""The lossless proof: after a bundle's policy has acted, its backbone still equals its source, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossless_ros.contract import Contract, load_robot
from lossless_ros.episodes.reader import find_episodes, read_frames
from lossless_ros.errors import LosslessError
from lossless_ros.models import backbones
from lossless_ros.models.adapters import count_parameters
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import Bundle, load_bundle, read_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.models.preprocess import normalize, to_batch
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.images import fit
from lossless_ros.paths import find_bundle

RECORDED_FRAMES = 4  # per camera, spread evenly over the episode


def verify_on_recording(
    bundle: Path, bag: Path, robot: str = "sim", weights: Path | None = None, allow_hub: bool = False
) -> dict[str, Any]:
    """Run `verify` on images of a recorded episode.

    Args:
        bundle: the file, or the name of a shipped bundle.
        bag: a bag, or a folder of bags, of which the first is used.
        robot: name or file of the robot that recorded the bag.
        weights: as for `verify`.
        allow_hub: as for `verify`.

    Raises:
        LosslessError: as for `verify`, or the bag or robot cannot be used.
    """
    path, contract = find_episodes([bag])[0], read_bundle(bundle).contract
    frames = read_frames(path, contract, load_robot(robot))
    if not frames:
        raise LosslessError(f"{path}: no frame of contract '{contract.name}'")
    chosen = np.linspace(0, len(frames) - 1, min(RECORDED_FRAMES, len(frames))).round().astype(int)
    images = np.stack([image for i in chosen for image in frames[i].images])
    return verify(bundle, images, weights=weights, allow_hub=allow_hub)


def verify(
    bundle: Path,
    images: np.ndarray | None = None,
    backbone: Backbone | None = None,
    weights: Path | None = None,
    allow_hub: bool = False,
) -> dict[str, Any]:
    """Let the bundle's policy act, then compare its backbone with a fresh load from the source.

    Args:
        bundle: the file, or the name of a shipped bundle.
        images: real images (N, H, W, 3) uint8 RGB to compare outputs on; default: seeded noise over gradients.
        backbone: a backbone in use; without it one is loaded.
        weights: local file with the backbone's weights; without it they come from the source in the bundle.
        allow_hub: download the backbone's weights if they are not on this machine.

    Returns:
        JSON-serializable; `ok` is true if every check holds, and `failures` names those that do not. `bundle_share` is
        the bundle's size on disk relative to the backbone's weights; `adapter_share` is the same for the parameters of
        bottom and middle adapters. For modes that train a copy of the backbone (full, scratch) `ok` is false and
        `reason` says why.

    Raises:
        LosslessError: the bundle cannot be loaded or is for another backbone.
    """
    bundle = find_bundle(bundle)
    description, tensors = load_bundle(bundle)
    if description.network.trainable_backbone:
        return _not_lossless(bundle, description, tensors)
    policy = load_policy(bundle, "cpu", backbone, weights, allow_hub=allow_hub)
    used = policy.backbone
    source = backbones.load_timm_model(used.name, used.source)
    kind = "given" if images is not None else "synthetic"
    images = images if images is not None else _synthetic_images(4, used.preprocessing.size)
    policy.act_batch([_frame(policy.contract, image) for image in images])

    differing = _differing(source, used.model)
    checks = {
        "parameters_equal": not differing,
        "fingerprint_equal": backbones.fingerprint(source) == used.fingerprint == description.fingerprint,
        "batchnorm_unmoved": not any("running_" in n or "num_batches" in n for n in differing),
        "outputs_equal": _outputs_equal(source, used, images, policy.network.config.image_size),
        "frozen": not used.model.training and not any(p.requires_grad for p in used.model.parameters()),
        "bundle_free_of_backbone": not _backbone_names(policy.network.state_dict(), tensors, source)
        and not _holds_copy(tensors, source, description.dtype),
    }
    backbone_bytes = _num_bytes(dict(backbones.named_tensors(source)))
    return {
        "ok": all(checks.values()),
        "failures": [name for name, holds in checks.items() if not holds],
        "bundle": str(bundle),
        "backbone": used.name,
        "source": used.source,
        "fingerprint": used.fingerprint,
        **checks,
        "differing": differing[:8],
        "images": {"kind": kind, "count": len(images)},
        "bundle_bytes": bundle.stat().st_size,
        "backbone_bytes": backbone_bytes,
        "bundle_share": bundle.stat().st_size / backbone_bytes,
        "adapter_share": count_parameters(policy.network.adapters) / used.num_parameters,
    }


def _not_lossless(path: Path, bundle: Bundle, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the result for a mode that trains a copy of the backbone, where there is nothing to prove."""
    reason = f"mode {bundle.mode} trains a copy of {bundle.backbone}, which is in the bundle: not lossless by design"
    backbone_bytes = _num_bytes({n: t for n, t in tensors.items() if n.startswith("trainable_backbone.")})
    return {
        "ok": False,
        "failures": [reason],
        "reason": reason,
        "bundle": str(path),
        "backbone": bundle.backbone,
        "parameters_equal": False,
        "outputs_equal": False,
        "bundle_bytes": path.stat().st_size,
        "backbone_bytes": backbone_bytes,
        "bundle_share": path.stat().st_size / backbone_bytes,
    }


def _num_bytes(tensors: dict[str, Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors.values())


def _differing(source: Any, model: Any) -> list[str]:
    """Return the names of parameters and buffers that differ, or that only one of the models has."""
    a, b = dict(backbones.named_tensors(source)), dict(backbones.named_tensors(model))
    return sorted(n for n in a.keys() | b.keys() if n not in a or n not in b or not torch.equal(a[n].cpu(), b[n].cpu()))


def _outputs_equal(source: Any, backbone: Backbone, images: np.ndarray, size: int) -> bool:
    """Return whether unadapted features and logits equal timm's, at the policy's image size and the backbone's own."""
    with torch.inference_mode():
        for side in {size, backbone.preprocessing.size}:
            x = normalize(to_batch([images], side, backbone.preprocessing, "cpu"), backbone.preprocessing)
            expected, features = source.forward_features(x), backbone.features(x)
            if not torch.equal(expected, features):
                return False
            if not torch.equal(source.forward_head(expected), backbone.classify(features)):
                return False
    return True


def _backbone_names(network: dict[str, Tensor], tensors: dict[str, Tensor], source: Any) -> list[str]:
    """Return the bundle's tensors named like the backbone's, except names that the network has too (a ViT's `norm`)."""
    names = dict(backbones.named_tensors(source)).keys() - network.keys()
    return [n for n in tensors if n.startswith("backbone.") or n in names]


def _holds_copy(tensors: dict[str, Tensor], source: Any, dtype: str) -> bool:
    """Return whether a tensor of the bundle equals one of the backbone's, not counting constant ones such as zeros.

    A copy may be rounded to the bundle's dtype.
    """
    theirs = [t for _, t in backbones.named_tensors(source) if t.numel() > 1 and t.min() != t.max()]
    if dtype != "float32":
        theirs += [t.to(getattr(torch, dtype)).to(t.dtype) for t in theirs if t.is_floating_point()]
    return any(t.shape == o.shape and torch.equal(t, o) for t in tensors.values() for o in theirs)


def _frame(contract: Contract, image: np.ndarray) -> Frame:
    """Return a frame that shows `image` in every camera."""
    images = tuple(fit(image, c.width, c.height) for c in contract.cameras)
    return Frame(0, images, np.zeros(contract.proprioception_dim, np.float32), {})


def _synthetic_images(count: int, size: int) -> np.ndarray:
    """Return seeded noise over gradients (count, size, size, 3) uint8."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size)[None, :, None, None] * rng.uniform(0, 1, (count, 1, 1, 3))
    return (ramp + rng.uniform(0, 55, (count, size, size, 3))).astype(np.uint8)

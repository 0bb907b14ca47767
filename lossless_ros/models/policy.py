"""A trained policy: a bundle worn by its backbone. Gets frames, gives actions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, check_backbone, load_bundle
from lossless_ros.models.network import Network, to_action
from lossless_ros.models.out_of_memory import enough_memory
from lossless_ros.models.preprocess import to_batch
from lossless_ros.models.runtimes.registry import find_precision, find_runtime, make_runtime, takes_batches
from lossless_ros.models.temporal_ensemble import TemporalEnsemble
from lossless_ros.observation.frames import Frame

if TYPE_CHECKING:
    from lossless_ros.models.runtimes.registry import Run

RUNTIME_TOLERANCE = (
    0.05  # that another runtime may be from torch in the head's numbers: velocities are 1 at their limits
)


class Policy:
    """Deterministic: the same frames give the same actions.

    Keeps no state between frames, unless its network predicts several instants: then `act` remembers what it predicted.
    """

    def __init__(
        self,
        bundle: Bundle,
        network: Network,
        backbone: Backbone,
        device: torch.device,
        runtime: str = "torch",
        precision: str = "float32",
    ) -> None:
        self.bundle = bundle
        self.task = bundle.task
        self.mode = bundle.mode
        self.contract = bundle.contract
        self.bundle_hash = bundle.hash
        self.device = str(device)
        self.backbone = backbone.to(device)
        self.network = network.to(device).eval().requires_grad_(False)
        self.runtime, self.precision = runtime, precision
        self.reset()
        self._run = make_runtime(runtime, precision, self.network, self.backbone)

    def reset(self) -> None:
        """Begin anew: what was predicted for the next instants no longer counts."""
        chunked = self.bundle.network.chunk_size > 1
        self._ensemble = TemporalEnsemble(self.contract.period_ns) if chunked else None

    def act(self, frame: Frame) -> np.ndarray:
        """Action (dim,) float32 for a frame: m/s, rad/s, gripper in [-1, 1]; within the contract's limits."""
        predicted = self._predict([frame])[0]
        return predicted[0] if self._ensemble is None else self._ensemble(frame.stamp, predicted)

    def act_batch(self, frames: Sequence[Frame]) -> np.ndarray:
        """Actions (B, dim) float32 for frames of any instants, each by itself, all cameras in one pass."""
        return self._predict(frames)[:, 0]

    def max_runtime_error(self) -> float:
        """Largest difference of the head's numbers to torch's, for a picture of noise; beyond 1 in parts of the number.

        Infinite if only torch's are finite: half precision may overflow.
        """
        rng = np.random.default_rng(0)
        images = tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in self.contract.cameras)
        mean, std = self.network.mean.cpu().numpy(), self.network.std.cpu().numpy()
        frame = Frame(0, images, (mean + std * rng.normal(size=mean.shape)).astype(np.float32), {})
        torchs = make_runtime("torch", "float32", self.network, self.backbone)
        expected, found = (self._raw([frame], run).cpu().numpy() for run in (torchs, self._run))
        if not np.isfinite(expected).all():
            return 0.0
        off = np.abs(found - expected) / np.maximum(np.abs(expected), 1)
        return float(off.max()) if np.isfinite(off).all() else np.inf

    def _predict(self, frames: Sequence[Frame]) -> np.ndarray:
        """Actions (B, T, dim) for the frames' instants and the next ones."""
        if len(frames) > 1 and not takes_batches(self.runtime):
            return np.concatenate([self._predict([frame]) for frame in frames])
        with torch.inference_mode():
            return to_action(self.network.select_mode(self._raw(frames, self._run)), self.contract).cpu().numpy()

    def _raw(self, frames: Sequence[Frame], run: "Run") -> torch.Tensor:
        """The head's numbers, see `Network`."""
        cameras = [np.stack(images) for images in zip(*(f.images for f in frames), strict=True)]
        proprioception = torch.from_numpy(np.stack([f.proprioception for f in frames])).to(self.device)
        with torch.inference_mode():
            images = to_batch(cameras, self.network.config.image_size, self.backbone.preprocessing, self.device)
            return run(images, proprioception)

    def warm_up(self, times: int = 3) -> None:
        """Act on black frames, so that the first real one is not slower than the rest."""
        images = tuple(np.zeros((c.height, c.width, 3), np.uint8) for c in self.contract.cameras)
        felt = np.zeros(self.contract.proprioception_dim, np.float32)
        for _ in range(times):
            self._predict([Frame(0, images, felt, {})])


def load_policy(
    bundle: Path,
    device: str = "auto",
    backbone: Backbone | None = None,
    weights: Path | None = None,
    runtime: str = "torch",
    precision: str = "auto",
    allow_hub: bool = False,
) -> Policy:
    """The policy in a bundle file, on its own backbone or on one that is loaded already.

    `weights` is a local file with the backbone's weights; without it they come from where the bundle says. `runtime`
    is one of `runtimes.RUNTIMES`; those but torch make a graph for the first network of a shape, which takes seconds,
    and are compared with torch. `precision` is one of `runtimes.PRECISIONS`; auto is float32 where half is not enough.

    Raises:
        LosslessError: the file is no whole bundle, is for another backbone, device or runtime are not there, or the
            runtime's actions are not torch's.
    """
    where = find_device("cpu" if (device, runtime) == ("auto", "openvino") else device)
    if where.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32; half precision is there for speed
    runtime = find_runtime(runtime, where)
    asked, precision = precision, find_precision(precision, runtime)
    description, tensors = load_bundle(bundle)
    backbone = backbone or load_backbone(description.backbone, weights, allow_hub, description.source)
    check_backbone(bundle, description, backbone.name, backbone.fingerprint)
    network = Network(description.network, backbone, description.contract)
    wanted = network.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        got, expected = (tuple(s[name].shape) if name in s else "none" for s in (tensors, wanted))
        if got != expected:
            raise LosslessError(f"{bundle}: tensor {name} is {got}, expected {expected}")
    network.load(tensors)
    with enough_memory(f"for {bundle} on {where}", "try another device, runtime torch or a smaller backbone"):
        policy = Policy(description, network, backbone, where, runtime, precision)
        off = 0.0 if runtime == "torch" else policy.max_runtime_error()
        if off > RUNTIME_TOLERANCE and (asked, precision) == ("auto", "float16"):
            policy = Policy(description, network, backbone, where, runtime, "float32")
            off = policy.max_runtime_error()
    if off > RUNTIME_TOLERANCE:
        what = (
            f"off by {off:.2g} of their limits, allowed is {RUNTIME_TOLERANCE:g}" if np.isfinite(off) else "not finite"
        )
        instead = "precision float32" if policy.precision == "float16" else "runtime torch"
        raise LosslessError(f"{bundle}: with runtime {runtime} in {policy.precision} actions are {what}; use {instead}")
    return policy


def find_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one; else the device of that name.

    Raises:
        LosslessError: no such device here.
    """
    gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if gpu else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).add_(1)  # a GPU may be there without kernels for it
    except (RuntimeError, AssertionError):
        raise LosslessError(f"no device '{name}' here; there is cpu{', cuda' if gpu else ''}") from None
    return device

"""A trained policy: task adapters and head on a shared frozen backbone; maps frames to actions."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.action_chunking import make_chunk_executor
from lossless_ros.models.backbones import Backbone, load_backbone
from lossless_ros.models.bundle import Bundle, BundleFile, check_backbone, with_execution
from lossless_ros.models.device import find_device
from lossless_ros.models.network import Network, to_action
from lossless_ros.models.out_of_memory import explain_out_of_memory
from lossless_ros.models.preprocess import to_batch
from lossless_ros.models.runtimes.registry import find_precision, find_runtime, make_runtime, takes_batches
from lossless_ros.observation.frames import Frame

if TYPE_CHECKING:
    from lossless_ros.models.runtimes.base import Runner

RUNTIME_TOLERANCE = 0.05  # largest accepted difference to torch's head outputs, in which velocity limits are 1


class Policy:
    """Maps frames to actions. Deterministic: the same frames give the same actions.

    With a `chunk_size` above 1 `act` uses earlier predictions too, as the bundle's `Execution` says. There is no other
    state between frames.
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
        """Move network and backbone to `device`. `runtime` and `precision` are resolved names, not auto."""
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
        """Start a new episode: forget the predictions for its next steps."""
        chunk_size, period_ns = self.bundle.network.chunk_size, self.contract.period_ns
        self._execute = make_chunk_executor(self.bundle.execution, chunk_size, period_ns)

    def act(self, frame: Frame) -> np.ndarray:
        """Return the action (A,) float32 for a frame: [m/s, rad/s] within the contract's limits, gripper in [-1, 1]."""
        chunk = self._predict([frame])[0]
        return self._execute(frame.stamp, chunk)

    def act_batch(self, frames: Sequence[Frame]) -> np.ndarray:
        """Return the actions (B, A) float32 for independent frames: the first one of each chunk."""
        return self._predict(frames)[:, 0]

    def warm_up(self, times: int = 3) -> None:
        """Act on black frames, so that the first real frame does not take longer than the others."""
        images = tuple(np.zeros((c.height, c.width, 3), np.uint8) for c in self.contract.cameras)
        proprioception = np.zeros(self.contract.proprioception_dim, np.float32)
        for _ in range(times):
            self._predict([Frame(0, images, proprioception, {})])

    def max_runtime_error(self) -> float:
        """Return the largest difference between this runtime's head outputs and torch's, for a random frame.

        Absolute for outputs up to 1 and relative for larger ones. Infinite if only torch's outputs are finite, as when
        half precision overflows.
        """
        rng = np.random.default_rng(0)
        images = tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in self.contract.cameras)
        mean, std = self.network.mean.cpu().numpy(), self.network.std.cpu().numpy()
        frame = Frame(0, images, (mean + std * rng.normal(size=mean.shape)).astype(np.float32), {})
        reference = make_runtime("torch", "float32", self.network, self.backbone)
        expected, outputs = (self._outputs([frame], run).cpu().numpy() for run in (reference, self._run))
        if not np.isfinite(expected).all():
            return 0.0
        errors = np.abs(outputs - expected) / np.maximum(np.abs(expected), 1)
        return float(errors.max()) if np.isfinite(errors).all() else np.inf

    def _predict(self, frames: Sequence[Frame]) -> np.ndarray:
        """Return the action chunks (B, T, A) for frames: for the frame's own step and those after it."""
        if len(frames) > 1 and not takes_batches(self.runtime):
            return np.concatenate([self._predict([frame]) for frame in frames])
        with torch.inference_mode():
            return to_action(self.network.select_mode(self._outputs(frames, self._run)), self.contract).cpu().numpy()

    def _outputs(self, frames: Sequence[Frame], run: "Runner") -> torch.Tensor:
        """Return the head outputs (B, T * W), see `Network`."""
        cameras = [np.stack(images) for images in zip(*(f.images for f in frames), strict=True)]
        size = self.contract.proprioception_dim  # a node's frames may end in joints that only commands need
        proprioception = torch.from_numpy(np.stack([f.proprioception[:size] for f in frames])).to(self.device)
        with torch.inference_mode():
            images = to_batch(cameras, self.network.config.image_size, self.backbone.preprocessing, self.device)
            return run(images, proprioception)


def load_policy(
    bundle: Path,
    device: str = "auto",
    backbone: Backbone | None = None,
    weights: Path | None = None,
    runtime: str = "torch",
    precision: str = "auto",
    allow_hub: bool = False,
    execution: str | None = None,
) -> Policy:
    """Load the policy in a bundle file.

    Args:
        bundle: the file.
        device: a torch device; auto: the GPU if there is one, except for runtime openvino.
        backbone: a loaded backbone to share; without it the bundle's is loaded.
        weights: local file with the backbone's weights; without it they come from the source in the bundle.
        runtime: one of `runtimes.registry.RUNTIMES`. All but torch compile a graph for the first network of a shape,
            which takes seconds, and their head outputs are compared with torch's.
        precision: one of `runtimes.registry.PRECISIONS`; auto falls back to float32 where float16 is not accurate.
        allow_hub: download the backbone's weights if they are not on this machine.
        execution: which of the predicted actions are executed, see `Execution`; None for what the bundle says.

    Raises:
        LosslessError: the bundle is damaged or for another backbone, the device or runtime is not available, memory
            is short, the runtime's head outputs differ from torch's by more than RUNTIME_TOLERANCE, or there is no such
            execution.
    """
    torch_device = find_device("cpu" if (device, runtime) == ("auto", "openvino") else device)
    if torch_device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # float32 is meant to be exact; float16 is the fast choice
    runtime = find_runtime(runtime, torch_device)
    requested, precision = precision, find_precision(precision, runtime)
    with BundleFile(bundle) as file:
        description = file.bundle
        backbone = backbone or load_backbone(description.backbone, weights, allow_hub, description.source)
        check_backbone(bundle, description, backbone.name, backbone.fingerprint)
        _check_sizes(bundle, file, backbone)
        tensors = file.load()
    if execution is not None:
        description = with_execution(description, execution)
    network = Network(description.network, backbone, description.contract)
    _check_tensors(bundle, tensors, network.state_dict())
    network.load(tensors)
    advice = "try another device, runtime torch or a smaller backbone"
    with explain_out_of_memory(f"for {bundle} on {torch_device}", advice):
        policy = Policy(description, network, backbone, torch_device, runtime, precision)
        error = 0.0 if runtime == "torch" else policy.max_runtime_error()
        if error > RUNTIME_TOLERANCE and (requested, precision) == ("auto", "float16"):
            policy = Policy(description, network, backbone, torch_device, runtime, "float32")
            error = policy.max_runtime_error()
    if error > RUNTIME_TOLERANCE:
        finite = f"off by {error:.2g} of their limits, allowed is {RUNTIME_TOLERANCE:g}"
        what = finite if np.isfinite(error) else "not finite"
        instead = "precision float32" if policy.precision == "float16" else "runtime torch"
        raise LosslessError(f"{bundle}: with runtime {runtime} in {policy.precision} actions are {what}; use {instead}")
    return policy


def _check_sizes(path: Path, file: BundleFile, backbone: Backbone) -> None:
    """Check a file's tensors against the network that its metadata describe, before memory is used for either.

    Raises:
        LosslessError: names the first tensor that does not fit.
    """
    own = "trainable_backbone"  # as large as the backbone, which is loaded already
    with torch.device("meta"):
        config = dataclasses.replace(file.bundle.network, trainable_backbone="")
        network = Network(config, backbone, file.bundle.contract)
    shapes = {name: shape for name, shape in file.shapes.items() if not name.startswith(own)}
    _check_shapes(path, shapes, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})


def _check_tensors(path: Path, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Check that a bundle's tensors have the names and shapes of the network's.

    Raises:
        LosslessError: names the first tensor that does not.
    """
    found, wanted = ({name: tuple(tensor.shape) for name, tensor in t.items()} for t in (tensors, expected))
    _check_shapes(path, found, wanted)


def _check_shapes(path: Path, shapes: Mapping[str, tuple], expected: Mapping[str, tuple]) -> None:
    for name in sorted(expected.keys() | shapes.keys()):
        found, wanted = (values.get(name, "none") for values in (shapes, expected))
        if found != wanted:
            raise LosslessError(f"{path}: tensor {name} is {found}, expected {wanted}")

"""The policies of a node: one bundle, or a folder with a bundle per task, on shared backbones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossless_ros.contract import Contract
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.bundle import read_bundle
from lossless_ros.paths import BUNDLE_SUFFIX, find_bundle

if TYPE_CHECKING:
    from lossless_ros.models.policy import Policy


@dataclass(frozen=True)
class RuntimeConfig:
    """How a node's policies are run; the fields have the names of the node's parameters."""

    device: str = "auto"  # torch device; auto: the GPU if there is one
    runtime: str = "auto"  # one of runtimes.registry.RUNTIMES
    precision: str = "auto"  # one of runtimes.registry.PRECISIONS
    threads: int = 1  # of the process for inference on a CPU, at least 1


def find_bundles(bundles: str) -> dict[str, Path]:
    """Return the bundle of each task in a file or folder, or a shipped bundle, without loading weights.

    Raises:
        LosslessError: there is no such bundle, a bundle is damaged, or two are for the same task.
    """
    if not bundles:
        raise LosslessError(
            "parameter bundles is empty; give a bundle file, a folder of them or a shipped one: -p bundles:=PATH"
        )
    path = find_bundle(bundles)
    files = sorted(path.glob(f"*{BUNDLE_SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise LosslessError(f"no bundle (*{BUNDLE_SUFFIX}) in {path}")
    found: dict[str, Path] = {}
    for file in files:
        task = read_bundle(file).task
        if task in found:
            raise LosslessError(f"{found[task]} and {file} are both for task {task}; keep one of them")
        found[task] = file
    return found


def choose_task(task: str, found: Mapping[str, Path]) -> str:
    """Return the task to start with: the named one, or the only one.

    Raises:
        LosslessError: the task is unknown, or none is named though there are several.
    """
    if task and task not in found:
        raise unknown("task", task, found)
    if not task and len(found) > 1:
        raise LosslessError(f"several tasks, choose one with -p task:=NAME: {', '.join(sorted(found))}")
    return task or next(iter(found))


def load_policies(found: dict[str, Path], config: RuntimeConfig) -> dict[str, "Policy"]:
    """Load and warm up the policy of each task, each backbone once. Sets the process's number of torch threads.

    Raises:
        LosslessError: a bundle cannot be used, the bundles' contracts differ, or `threads` is below 1.
    """
    import torch

    if config.threads < 1:
        raise LosslessError(f"parameter threads is {config.threads}, expected at least 1")
    torch.set_num_threads(config.threads)
    policies: dict[str, Policy] = {}
    for task, file in found.items():
        policies[task] = _load(file, list(policies.values()), config)
    return policies


def load_new_policies(
    bundles: str, known: Mapping[str, "Policy"], config: RuntimeConfig
) -> tuple[dict[str, "Policy"], list[str]]:
    """Load the policies of a folder's new and changed bundles.

    Returns:
        the policies by task, and an error line for each bundle that could not be loaded.

    Raises:
        LosslessError: no such folder.
    """
    folder = Path(bundles)
    if not folder.is_dir():
        raise LosslessError(f"parameter bundles is {bundles}, expected a folder to scan for new bundles")
    policies: dict[str, Policy] = {}
    errors = []
    for file in sorted(folder.glob(f"*{BUNDLE_SUFFIX}")):
        try:
            bundle = read_bundle(file)
            if bundle.task in policies:
                raise LosslessError(f"{file} is for task {bundle.task}, and so is another bundle; keep one of them")
            if bundle.task not in known or known[bundle.task].bundle_hash != bundle.hash:
                policies[bundle.task] = _load(file, [*known.values(), *policies.values()], config)
        except LosslessError as error:
            errors.append(" ".join(str(error).split()))
        except Exception as error:  # whatever a file does, the others are loaded
            errors.append(f"{file} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return policies, errors


def _load(file: Path, others: Sequence["Policy"], config: RuntimeConfig) -> "Policy":
    """Load and warm up a bundle's policy, on the backbone of one of the others if it is the same.

    Raises:
        LosslessError: the bundle cannot be used, or its contract differs from the others'.
    """
    from lossless_ros.models.policy import load_policy

    bundle = read_bundle(file)
    if others and bundle.contract != others[0].contract:
        raise LosslessError(f"the contract of {file} differs from that of {others[0].task}; use separate folders")
    backbone = next((p.backbone for p in others if p.bundle.fingerprint == bundle.fingerprint), None)
    policy = load_policy(file, config.device, backbone, runtime=config.runtime, precision=config.precision)
    if policy.bundle_hash != bundle.hash:
        raise LosslessError(f"{file} changed while it was read; load it again")
    policy.warm_up(1)  # the comparison with torch ran it once already, and the inference thread warms up once more
    return policy


def check_contract(contract: Contract, own: Contract) -> None:
    """Check that a contract given by hand keeps the policy's inputs and outputs; it may change names and timing.

    Raises:
        LosslessError: camera sizes, proprioception or action differ from those of `own`, the bundle's contract.
    """

    def shapes(c: Contract) -> tuple:
        images = tuple((camera.height, camera.width) for camera in c.cameras)
        return images, tuple((p.stream, p.dim) for p in c.proprioception), c.action

    if shapes(contract) != shapes(own):
        raise LosslessError(
            f"contract '{contract.name}' does not fit the bundle's '{own.name}': "
            "camera sizes, proprioception and action must be the same"
        )

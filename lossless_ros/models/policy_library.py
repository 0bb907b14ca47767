"""The policies of a node: one bundle, or a folder of them, over one backbone."""

from pathlib import Path
from typing import TYPE_CHECKING

from lossless_ros.contract import Contract
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.bundle import read_bundle

if TYPE_CHECKING:
    from lossless_ros.models.policy import Policy

SUFFIX = ".safetensors"


def find_bundles(bundles: str) -> dict[str, Path]:
    """Bundle of each task in a file or a folder; reads no weights.

    Raises:
        LosslessError: nothing there, a damaged bundle, or two bundles of one task.
    """
    if not bundles:
        raise LosslessError("parameter bundles is empty; give a bundle file or a folder of them: -p bundles:=PATH")
    path = Path(bundles)
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise LosslessError(f"no bundle (*{SUFFIX}) in {path}")
    found: dict[str, Path] = {}
    for file in files:
        task = read_bundle(file).task
        if task in found:
            raise LosslessError(f"{found[task]} and {file} are both for task {task}; keep one of them")
        found[task] = file
    return found


def choose_task(task: str, found: dict[str, Path]) -> str:
    """The task to begin with: the named one, or the only one.

    Raises:
        LosslessError: not known, or not named though there are several.
    """
    if task and task not in found:
        raise unknown("task", task, found)
    if not task and len(found) > 1:
        raise LosslessError(f"several tasks, say which: -p task:=NAME with one of {', '.join(sorted(found))}")
    return task or next(iter(found))


def load_policies(
    found: dict[str, Path], device: str, threads: int, runtime: str, precision: str
) -> dict[str, "Policy"]:
    """Load and warm up all of them, each backbone once.

    Raises:
        LosslessError: a bundle cannot be used, the bundles' contracts differ, or not at least one thread.
    """
    import torch

    if threads < 1:
        raise LosslessError(f"parameter threads is {threads}, expected at least 1")
    torch.set_num_threads(threads)
    policies: dict[str, Policy] = {}
    for task, file in found.items():
        policies[task] = _load(file, list(policies.values()), device, runtime, precision)
    return policies


def load_new_policies(
    bundles: str, known: dict[str, "Policy"], device: str, runtime: str, precision: str
) -> tuple[dict[str, "Policy"], list[str]]:
    """Policies of a folder's bundles that are new or have changed, and what was wrong with the others, a line each.

    Raises:
        LosslessError: no such folder.
    """
    folder = Path(bundles)
    if not folder.is_dir():
        raise LosslessError(f"parameter bundles is {bundles}, not a folder; there is nothing to look through")
    policies: dict[str, Policy] = {}
    how, faults = (device, runtime, precision), []
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            bundle = read_bundle(file)
            if bundle.task in policies:
                raise LosslessError(f"{file} is for task {bundle.task} as another one is; keep one of them")
            if bundle.task not in known or known[bundle.task].bundle_hash != bundle.hash:
                policies[bundle.task] = _load(file, [*known.values(), *policies.values()], *how)
        except LosslessError as error:
            faults.append(str(error))
    return policies, faults


def _load(file: Path, others: list["Policy"], device: str, runtime: str, precision: str) -> "Policy":
    """The policy of a bundle, on a backbone of the others if one is its own; warmed up.

    Raises:
        LosslessError: it cannot be used, or has another contract than the others.
    """
    from lossless_ros.models.policy import load_policy

    bundle = read_bundle(file)
    if others and bundle.contract != others[0].contract:
        raise LosslessError(f"{file} has another contract than that of {others[0].task}; use separate folders")
    backbone = next((p.backbone for p in others if p.bundle.fingerprint == bundle.fingerprint), None)
    policy = load_policy(file, device, backbone, runtime=runtime, precision=precision)
    policy.warm_up(1)  # the comparison with torch was one, and the thread that drives has one more
    return policy


def check_contract(contract: Contract, own: Contract) -> None:
    """A contract given by hand may rename and retime, not change what the policy takes and gives.

    Raises:
        LosslessError: it does.
    """

    def shape(c: Contract) -> tuple:
        images = tuple((camera.height, camera.width) for camera in c.cameras)
        return images, tuple((p.stream, p.dim) for p in c.proprioception), c.action

    if shape(contract) != shape(own):
        raise LosslessError(
            f"contract '{contract.name}' does not fit the bundle's '{own.name}': "
            "camera sizes, proprioception and action must be the same"
        )

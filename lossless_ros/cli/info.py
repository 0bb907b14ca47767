"""What a bundle, bag, backbone or contract holds, in a few lines."""

from pathlib import Path
from typing import Any

from lossless_ros.contract import Contract, load_contract
from lossless_ros.errors import LosslessError
from lossless_ros.paths import find_config


def describe(thing: str, weights: Path | None = None) -> dict[str, Any]:
    """Names and values that describe it; `weights` is a local file for a backbone.

    Raises:
        LosslessError: it is none of a bundle, a bag, a contract and a backbone, or it cannot be read.
    """
    path = Path(thing)
    if path.is_dir():
        return _bag(path)
    if path.suffix == ".safetensors":
        return _bundle(path)
    try:
        find_config("contracts", thing)
    except LosslessError:
        return _backbone(thing, weights)
    return _contract(load_contract(thing))


def _bag(path: Path) -> dict[str, Any]:
    from lossless_ros.episodes.reader import find_episodes, read_info, topic_counts

    episodes = find_episodes([path])
    if len(episodes) > 1:
        infos = [read_info(episode) for episode in episodes]
        successes = sum(bool(info.get("success")) for info in infos)
        tasks = ", ".join(sorted({str(info.get("task")) for info in infos}))
        return {"episodes": len(episodes), "successful": successes, "tasks": tasks}
    info = read_info(episodes[0])
    return {"bag": str(episodes[0]), **topic_counts(episodes[0]), **info}


def _bundle(path: Path) -> dict[str, Any]:
    from lossless_ros.models.bundle import read_bundle

    bundle = read_bundle(path)
    return {
        "task": bundle.task,
        "mode": bundle.mode,
        "backbone": bundle.backbone,
        "backbone fingerprint": bundle.fingerprint,
        "contract": bundle.contract.name,
        "size": f"{path.stat().st_size / 1e6:.2f} MB",
        **{f"training {key}": value for key, value in bundle.provenance.items()},
    }


def _contract(contract: Contract) -> dict[str, Any]:
    return {
        "contract": contract.name,
        "rate": f"{contract.rate_hz:g} Hz",
        "cameras": ", ".join(f"{c.topic} {c.width}x{c.height}" for c in contract.cameras),
        "proprioception": f"{contract.proprioception_dim} numbers",
        "action": ", ".join(f"{a.axis} +-{a.limit:g} {a.unit}" for a in contract.action.axes) + ", gripper",
    }


def _backbone(name: str, weights: Path | None) -> dict[str, Any]:
    from lossless_ros.models.backbones import load_backbone

    backbone = load_backbone(name, weights)
    return {"backbone": backbone.name, **backbone.describe()}

"""`lossless info`: what a bundle, bag, backbone or contract holds, or what a domain looks like."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossless_ros.cli.options import Hub, Json, Seed, Task, Weights
from lossless_ros.errors import LosslessError
from lossless_ros.paths import BUNDLE_SUFFIX, find_config, shipped_bundles
from lossless_ros.progress import echo, write_json

if TYPE_CHECKING:
    from lossless_ros.contract import Contract
    from lossless_ros.models.bundle import Bundle


def info(
    target: Annotated[str | None, typer.Argument(help="A bundle, bag, backbone or contract.")] = None,
    weights: Weights = None,
    allow_hub: Hub = False,
    domain: Annotated[
        str | None, typer.Option(help="Render examples of this domain: a name of config/domains or a YAML file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="With --domain: the contact sheet to write (.png or .jpg).")] = Path(
        "sheet.png"
    ),
    task: Task = "rgb_stacking/triplet1",
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Describe a bundle, bag, backbone or contract, or render a domain's contact sheet."""
    if (target is None) == (domain is None):
        raise LosslessError("give either a bundle, bag, backbone or contract, or --domain NAME --out sheet.png")
    if domain is not None:
        from lossless_ros.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(domain, out, task, seed)
        echo(str(out))
        write_json(json, {"domain": domain, "task": task, "seed": seed, "out": str(out)})
        return
    result = describe(str(target), weights, allow_hub)
    for name, value in result.items():
        echo(f"{name}: {value}")
    write_json(json, result)


def describe(target: str, weights: Path | None = None, allow_hub: bool = False) -> dict[str, Any]:
    """Return names and values that describe a bundle, bag, backbone or contract.

    Args:
        target: a path, or the name of a shipped bundle, backbone or contract.
        weights: a local file for a backbone.
        allow_hub: whether a backbone's weights may be downloaded.

    Raises:
        LosslessError: `target` is none of these, or it cannot be read.
    """
    path = Path(target)
    if path.is_dir():
        return _bag(path)
    if path.suffix == BUNDLE_SUFFIX:
        return _bundle(path)
    if target in (shipped := shipped_bundles()):
        return _bundle(shipped[target])
    try:
        find_config("contracts", target)
    except LosslessError:
        return _backbone(target, weights, allow_hub)
    from lossless_ros.contract import load_contract

    return _contract(load_contract(target))


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
        "execution": str(bundle.execution),
        "dtype": bundle.dtype,
        "size": f"{path.stat().st_size / 1e6:.2f} MB",
        **{f"training {key}": value for key, value in bundle.provenance.items()},
        **_statistics(bundle),
    }


def _statistics(bundle: "Bundle") -> dict[str, Any]:
    """Return a summary of the statistics of the training data; empty if the bundle has none."""
    from lossless_ros.models.training_statistics import DISTANCE_QUANTILES

    if bundle.statistics is None:
        return {}
    statistics, action = bundle.statistics, bundle.contract.action
    names = [*(f"{axis.axis} [{axis.unit}]" for axis in action.axes), "gripper"]
    rows = zip(names, statistics.action_mean, statistics.action_std, strict=True)
    quantiles = zip(DISTANCE_QUANTILES, statistics.held_out_distance, strict=True)
    features = f"{len(statistics.feature_mean)} features of the top, distance of held-out frames: "
    return {
        "training actions": ", ".join(f"{name} {mean:.3g} +- {std:.3g}" for name, mean, std in rows),
        "training features": features + ", ".join(f"{100 * q:g} % {value:.3g}" for q, value in quantiles),
    }


def _contract(contract: "Contract") -> dict[str, Any]:
    return {
        "contract": contract.name,
        "rate": f"{contract.rate_hz:g} Hz",
        "cameras": ", ".join(f"{c.topic} {c.width}x{c.height}" for c in contract.cameras),
        "proprioception": f"{contract.proprioception_dim} numbers",
        "action": ", ".join(f"{a.axis} +-{a.limit:g} {a.unit}" for a in contract.action.axes) + ", gripper",
    }


def _backbone(name: str, weights: Path | None, allow_hub: bool) -> dict[str, Any]:
    from lossless_ros.models.backbones import load_backbone

    backbone = load_backbone(name, weights, allow_hub)
    return {"backbone": backbone.name, **backbone.describe()}

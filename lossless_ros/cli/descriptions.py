"""What bundles, recordings, backbones and configurations hold: JSON with numbers, each with its unit in its name."""

from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossless_ros.errors import LosslessError, unknown
from lossless_ros.paths import BUNDLE_SUFFIX, config_names, find_config, shipped_bundles

if TYPE_CHECKING:
    from lossless_ros.contract import Contract
    from lossless_ros.models.bundle import Bundle

_RECORDINGS = (".mcap", ".db3")


def describe(target: str, weights: Path | None = None, allow_hub: bool = False) -> dict[str, Any]:
    """Return names and values that describe a bundle, a recording, a backbone or a configuration.

    Args:
        target: a path, or the name of a shipped bundle, a backbone, or a file in config.
        weights: a local file for a backbone.
        allow_hub: whether a backbone's weights may be downloaded.

    Raises:
        LosslessError: `target` is none of these, or it cannot be read.
    """
    path = Path(target)
    if path.is_dir():
        return _recordings(path)
    if path.suffix in _RECORDINGS:
        return _recording_file(path)
    if path.suffix == BUNDLE_SUFFIX:
        return _bundle(path)
    if target in (shipped := shipped_bundles()):
        return _bundle(shipped[target])
    if path.suffix in (".yaml", ".yml"):
        return _DESCRIBE[_kind_of_file(path)](target)
    for kind in _DESCRIBE:
        if target in config_names(kind):
            return _DESCRIBE[kind](target)
    return _backbone(target, weights, allow_hub)


def _kind_of_file(path: Path) -> str:
    """Return what a YAML file configures, from its keys.

    Raises:
        LosslessError: it is missing, or of no known kind.
    """
    from dataclasses import fields

    from lossless_ros.contract.config import load_yaml
    from lossless_ros.training.hyperparameters import RENAMED, Hyperparameters

    if not path.is_file():
        raise LosslessError(f"no such file: {path}")
    if not [line for line in path.read_text(errors="replace").splitlines() if line.split("#")[0].strip()]:
        return "domains"  # nothing is randomized
    data = load_yaml(path)
    keys = set(data)
    if "/**" in keys:
        return "robots"
    if "rate_hz" in keys or "cameras" in keys and "action" in keys:
        return "contracts"
    if "runs" in keys:
        return "studies"
    if keys & ({field.name for field in fields(Hyperparameters)} | set(RENAMED)):
        return "training"
    if all(isinstance(data[key], dict) for key in keys):
        return "domains"
    raise LosslessError(f"{path} is no contract, robot, domain, training settings or study: it has {', '.join(keys)}")


def _recordings(path: Path) -> dict[str, Any]:
    from lossless_ros.episodes.reader import find_episodes, read_info
    from lossless_ros.episodes.summary import summarize_bag

    episodes = find_episodes([path])
    if len(episodes) == 1:
        return {"bag": str(episodes[0]), **_summary(episodes[0]), **read_info(episodes[0])}
    infos = [read_info(episode) for episode in episodes]
    bags = [summarize_bag(episode) for episode in episodes]
    outcomes = Counter(info.get("success") for info in infos)
    labeled = outcomes[True] + outcomes[False]
    values = {
        "episodes": len(episodes),
        "successful": outcomes[True] if labeled else None,
        "failed": outcomes[False] if labeled else None,
        "without a word on success": len(infos) - labeled,
        "success share": outcomes[True] / labeled if labeled else None,
        "tasks": ", ".join(sorted({str(info["task"]) for info in infos if "task" in info})),
        "domains": ", ".join(sorted({str(info["domain"]) for info in infos if "domain" in info})),
        "experts": ", ".join(sorted({str(info["expert"]) for info in infos if "expert" in info})),
        "seeds": _ranges(sorted({int(info["seed"]) for info in infos if "seed" in info})),
        "duration_s": sum(bag.duration_s for bag in bags),
        "bytes": sum(bag.bytes for bag in bags),
        "topics": sorted({topic for bag in bags for topic in bag.topics}),
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _recording_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise LosslessError(f"no such file: {path}")
    if path.suffix != ".mcap":
        raise LosslessError(f"{path} is a part of a recording; give its folder, the one with metadata.yaml")
    return {"file": str(path), **_summary(path)}


def _summary(path: Path) -> dict[str, Any]:
    from lossless_ros.episodes.summary import summarize_bag

    bag = summarize_bag(path)
    topics = {
        name: {"type": topic.type, "messages": topic.messages, "rate_hz": bag.rate_hz(name)}
        for name, topic in sorted(bag.topics.items())
    }
    return {"duration_s": bag.duration_s, "bytes": bag.bytes, "topics": topics}


def _ranges(seeds: list[int]) -> list[list[int]]:
    """Return sorted numbers as ranges [first, last] without gaps."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ranges


def _bundle(path: Path) -> dict[str, Any]:
    from lossless_ros.models.bundle import read_bundle

    bundle = read_bundle(path)
    return {
        "task": bundle.task,
        "mode": bundle.mode,
        "backbone": bundle.backbone,
        "backbone fingerprint": bundle.fingerprint,
        "contract": bundle.contract.name,
        "rate_hz": bundle.contract.rate_hz,
        "execution": str(bundle.execution),
        "dtype": bundle.dtype,
        "bytes": path.stat().st_size,
        **{f"training {key}": value for key, value in bundle.provenance.items()},
        **_statistics(bundle),
    }


def _statistics(bundle: "Bundle") -> dict[str, Any]:
    """Return a summary of the statistics of the training data; empty if the bundle has none."""
    from lossless_ros.models.training_statistics import DISTANCE_QUANTILES

    if bundle.statistics is None:
        return {}
    statistics, action = bundle.statistics, bundle.contract.action
    names = [*(f"{axis.axis} [{axis.unit}]" for axis in action.axes), *action.names[len(action.axes) :]]
    rows = zip(names, statistics.action_mean, statistics.action_std, strict=True)
    quantiles = zip(DISTANCE_QUANTILES, statistics.held_out_distance, strict=True)
    features = f"{len(statistics.feature_mean)} features of the top, distance of held-out frames: "
    return {
        "training actions": ", ".join(f"{name} {mean:.3g} +- {std:.3g}" for name, mean, std in rows),
        "training features": features + ", ".join(f"{100 * q:g} % {value:.3g}" for q, value in quantiles),
    }


def _contract(name: str) -> dict[str, Any]:
    from lossless_ros.contract import load_contract

    contract: Contract = load_contract(name)
    gripper = contract.action.gripper
    return {
        "contract": contract.name,
        "rate_hz": contract.rate_hz,
        "max_skew_s": contract.max_skew_s,
        "max_age_s": contract.max_age_s,
        "cameras": {
            camera.topic: {"width_px": camera.width, "height_px": camera.height} for camera in contract.cameras
        },
        "proprioception": contract.proprioception_dim,
        "frame": contract.action.frame_id,
        "space": contract.action.space,
        "action": {axis.axis: {"limit": axis.limit, "unit": axis.unit} for axis in contract.action.axes},
        **({"gripper": {"open": gripper.open, "closed": gripper.closed}} if gripper else {}),
    }


def _robot(name: str) -> dict[str, Any]:
    from lossless_ros.contract import HARDWARE, parse_robot, robot_file

    file = robot_file(name)
    parse_robot(name, file)  # checks it
    parameters = {key: value for key, value in file.items() if key != HARDWARE}
    return {"robot": find_config("robots", name).stem, **parameters, HARDWARE: file.get(HARDWARE, {})}


def _training(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from lossless_ros.training.hyperparameters import load_hyperparameters

    return {"training": find_config("training", name).stem, **asdict(load_hyperparameters(name))}


def _domain(name: str) -> dict[str, Any]:
    from lossless_ros.simulation.env import domain_ranges

    ranges = domain_ranges(name)
    values = {key: {"lowest": low, "highest": high, "unit": unit} for key, (low, high, unit) in ranges.items()}
    return {"domain": find_config("domains", name).stem, "parameters": len(values), **values}


def _study(name: str) -> dict[str, Any]:
    from lossless_ros.study.config import load_study

    study = load_study(name)
    demonstrations, evaluation = study.demonstrations, study.evaluation
    return {
        "study": find_config("studies", name).stem,
        "tasks": list(study.tasks),
        "runs": {name: {"mode": run.mode} for name, run in study.runs.items()},
        "policies": len(study.trainings()),
        "demonstrations": {"episodes": demonstrations.episodes, "first seed": demonstrations.seed},
        "evaluation": {"episodes": evaluation.episodes, "first seed": evaluation.seed},
        "domains": list(evaluation.domains),
    }


def _backbone(name: str, weights: Path | None, allow_hub: bool) -> dict[str, Any]:
    from lossless_ros.models.backbones import REGISTRY, load_backbone

    if name not in REGISTRY and not _is_timm_model(name):
        known = {*shipped_bundles(), *(name for kind in _DESCRIBE for name in config_names(kind)), *REGISTRY}
        raise LosslessError(f"{unknown('name', name, known)}; or give a file, a recording or a timm model")
    backbone = load_backbone(name, weights, allow_hub)
    return {"backbone": backbone.name, **backbone.describe()}


def _is_timm_model(name: str) -> bool:
    """Return whether timm defines a model of this name, without importing it, which takes seconds."""
    found = find_spec("timm")
    base = name.partition(".")[0]
    if found is None or found.origin is None or not base.isidentifier():
        return False
    sources = Path(found.origin).parent.glob("models/*.py")
    return any(f"def {base}(" in source.read_text(errors="replace") for source in sources)


_DESCRIBE: dict[str, Callable[[str], dict[str, Any]]] = {
    "contracts": _contract,
    "robots": _robot,
    "training": _training,
    "domains": _domain,
    "studies": _study,
}

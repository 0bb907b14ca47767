"""Paths of configuration files (source tree or installation), of the shipped bundles and of the cache."""

import os
import sys
from pathlib import Path

from lossless_ros.errors import LosslessError, unknown

BUNDLE_SUFFIX = ".safetensors"
SHIPPED_BUNDLES = Path(__file__).resolve().parent / "bundles"  # package data: also in a wheel and a colcon install


def share_dir() -> Path:
    """Return the folder that holds `config/` and `launch/`: the source tree, or share/lossless_ros of an installation.

    Raises:
        LosslessError: there is neither.
    """
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [
        Path(__file__).resolve().parent.parent,
        *(prefix / "share" / "lossless_ros" for prefix in [*prefixes, Path(sys.prefix)]),
    ]
    for folder in candidates:
        if (folder / "config" / "contracts").is_dir():
            return folder
    raise LosslessError(f"no config/contracts in {', '.join(map(str, candidates))}; install the package again")


def find_config(kind: str, name: str) -> Path:
    """Return the file of a configuration, by name (`config/<kind>/<name>.yaml`) or by path.

    Raises:
        LosslessError: there is no such file; the message lists the known names.
    """
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise LosslessError(f"no such file: {name} (expected a YAML file for {kind})")
        return path
    folder = share_dir() / "config" / kind
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise unknown(kind.removesuffix("s"), name, (p.stem for p in folder.glob("*.yaml")))
    return path


def config_names(kind: str) -> list[str]:
    """Return the names of the configurations that come with the package, `config/<kind>/<name>.yaml`."""
    return sorted(path.stem for path in (share_dir() / "config" / kind).glob("*.yaml"))


def shipped_bundles() -> dict[str, Path]:
    """Return the bundles that come with the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED_BUNDLES.glob(f"*{BUNDLE_SUFFIX}"))}


def find_bundle(name: str | Path) -> Path:
    """Return the path of a bundle, given as a path or by the name of a shipped bundle.

    What exists as a path is never taken for a name. A path (with a folder or the suffix of a bundle) need not exist.

    Raises:
        LosslessError: neither; the message lists the shipped bundles.
    """
    path, shipped = Path(name), shipped_bundles()
    if path.exists() or path.suffix == BUNDLE_SUFFIX or os.sep in str(name):
        return path
    if str(name) not in shipped:
        raise LosslessError(f"{unknown('bundle', str(name), shipped)}; or give a bundle's path (*{BUNDLE_SUFFIX})")
    return shipped[str(name)]


def cache_dir() -> Path:
    """Return the folder for decoded episodes and features; safe to delete."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lossless_ros"

"""Paths of configuration files (source tree or installation) and of the cache."""

import os
import sys
from pathlib import Path

from lossless_ros.errors import LosslessError, unknown


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


def cache_dir() -> Path:
    """Return the folder for decoded episodes and features; safe to delete."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lossless_ros"

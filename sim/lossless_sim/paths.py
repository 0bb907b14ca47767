"""Locations of configuration files and caches."""

import os
import sys
from pathlib import Path

from lossless_sim.errors import SimError, unknown


def config_dir(kind: str) -> Path:
    """Return the folder `config/<kind>` of the source tree, or of an installation's share/lossless_ros."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [
        Path(__file__).resolve().parents[2] / "config" / kind,
        *(prefix / "share" / "lossless_ros" / "config" / kind for prefix in [*prefixes, Path(sys.prefix)]),
    ]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise SimError(f"no config/{kind} in {', '.join(map(str, candidates))}; reinstall the package")


def find_config(kind: str, name: str) -> Path:
    """Find a YAML file of `config/<kind>` by its name or its path.

    Raises:
        SimError: the file does not exist; the message lists the known names.
    """
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise SimError(f"no such file: {name} (expected a YAML file of {kind})")
        return path
    folder = config_dir(kind)
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise unknown(kind.removesuffix("s"), name, sorted(p.stem for p in folder.glob("*.yaml")))
    return path


def cache_dir() -> Path:
    """Return the folder of composed scenes; it is safe to delete and rebuilt in seconds."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lossless_ros" / "scenes"

"""Where the simulator finds its configuration and keeps what it can make again."""

import os
import sys
from pathlib import Path

from lossless_sim.errors import SimError, unknown


def config_dir(kind: str) -> Path:
    """Folder `config/<kind>`: of the source tree, else of share/lossless_ros of an installation."""
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [
        Path(__file__).resolve().parents[2] / "config" / kind,
        *(prefix / "share" / "lossless_ros" / "config" / kind for prefix in [*prefixes, Path(sys.prefix)]),
    ]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise SimError(f"no config/{kind} in {', '.join(map(str, candidates))}; install the package again")


def find_config(kind: str, name: str) -> Path:
    """A YAML file of `config/<kind>`, by its name or by its path.

    Raises:
        SimError: there is no such file; the message lists the known names.
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
    """Folder of the composed scene; safe to delete, made again in some seconds."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "lossless_ros" / "scenes"

"""Versions of the software that made a result."""

import subprocess
from importlib.metadata import version
from pathlib import Path

from lossless_ros import __version__


def versions() -> dict[str, str]:
    """Return versions by package, and as `commit` the checkout's commit (`-dirty` if modified, "" without git)."""
    return {
        "lossless_ros": __version__,
        **{name: version(name) for name in ("torch", "timm")},
        "commit": _commit(Path(__file__).resolve().parent.parent),
    }


def _commit(root: Path) -> str:
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""

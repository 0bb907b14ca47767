"""Disk cache of the composed cell, one entry per version of its parts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from lossless_sim.errors import SimError
from lossless_sim.paths import cache_dir

PARTS = ("mujoco", "dm-control", "dm-robotics-moma", "dm-robotics-manipulation", "fast-simplification")


def _key() -> str:
    """Return a hash of the versions of the parts and of the code that composes them."""
    code = [(Path(__file__).parent / name).read_bytes() for name in ("compose.py", "merge.py", "stl.py")]
    versions = json.dumps({name: version(name) for name in PARTS}).encode()
    return hashlib.sha256(b"\0".join([versions, *code])).hexdigest()[:16]


@cache
def scene_folder() -> Path:
    """Return the folder with `scene.xml`, its meshes and `objects/`; the first call composes it (about 10 s).

    Raises:
        SimError: the cache folder is not writable, or composing failed.
    """
    folder = cache_dir() / _key()
    if not (folder / "scene.xml").is_file():
        _compose_into(folder)
    return folder


def _compose_into(folder: Path) -> None:
    """Compose in a separate process, which keeps dm_control out of this one, then move into place atomically."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="composing-", dir=folder.parent))
    except OSError as error:
        raise SimError(f"cannot write the scene cache: {error} (XDG_CACHE_HOME selects another location)") from None
    try:
        root = str(Path(__file__).resolve().parents[2])
        environment = os.environ | {
            "MUJOCO_GL": "disable",  # otherwise dm_control looks for a display
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")])),
        }
        command = [sys.executable, "-m", "lossless_sim.scene.compose", str(draft)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SimError(f"composing the scene failed: {reason}")
        try:
            os.replace(draft, folder)
        except OSError:
            if not (folder / "scene.xml").is_file():  # otherwise another process composed it first
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)

"""What a command will cost, said before it starts when it is much: time, and space on the disk.

Times are those of one core of a desktop processor; a progress shows what they are on this machine.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lossless_ros.progress import duration, echo

_MUCH_S = 120.0
_MUCH_BYTES = 0.5e9
_COLLECT_S, _EVALUATE_S = 0.025, 0.05  # per control period: simulation and cameras, and a policy besides
_EPISODE_STEPS = 270  # of a demonstration on average
_BYTES = {"jpeg": 10.5e3, "png": 36.5e3, "raw": 100e3}  # per control period with two cameras of 128 px


def announce_collection(episodes: int, out: Path, workers: str, image_format: str, max_steps: int) -> None:
    """Say what a collection costs; episodes that are there already cost nothing."""
    steps = episodes * min(max_steps, _EPISODE_STEPS)
    size = steps * _BYTES.get(image_format, 0.0)
    seconds = steps * _COLLECT_S / _cores(workers) if workers.isdecimal() else 0.0
    _announce(f"{episodes} episodes", seconds, size, out)


def announce_evaluation(episodes: int, workers: int, max_steps: int, policies: int = 1) -> None:
    """Say what an evaluation costs."""
    seconds = policies * episodes * max_steps * _EVALUATE_S / _cores(str(workers))
    _announce(f"{policies * episodes} episodes of up to {max_steps} steps", seconds, 0.0, Path())


def announce_training(folders: Iterable[Path], cache: Path) -> None:
    """Say what the cache of recordings takes; how long a training takes is seen after its first steps."""
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    _announce("decoded recordings that are not in the cache yet", 0.0, size, cache)


def announce_periods(periods: int, rate_hz: float, runs: int) -> None:
    """Say how long measurements in real time take."""
    _announce(f"{runs} measurements of {periods} periods at {rate_hz:g} Hz", runs * periods / rate_hz, 0.0, Path())


def _announce(what: str, seconds: float, size: float, where: Path) -> None:
    parts = []
    if seconds > _MUCH_S:
        parts.append(f"about {duration(seconds)}")
    if size > _MUCH_BYTES:
        existing = next(path for path in (where.absolute(), *where.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        parts.append(f"about {size / 1e9:.1f} GB in {where} ({free / 1e9:.1f} GB are free)")
    if parts:
        echo(f"{what}: {', '.join(parts)}")


def _cores(workers: str) -> int:
    return max(1, min(int(workers), os.cpu_count() or 1))

"""A clean copy of the source, so that building leaves nothing in the working tree."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("lossless_ros", "sim", "config", "launch", "resource", "scripts", "tests")


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's source without virtual environment, build folders and caches."""
    copy = tmp_path_factory.mktemp("source") / "lossless_ros"
    copy.mkdir()
    for part in PARTS:
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, copy / part, symlinks=True, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy / path.name)
    return copy


def run(*command: str | Path, expected: int = 0, **kwargs: object) -> str:
    """Output of a command that must exit with `expected`."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        **kwargs,  # type: ignore[call-overload]
    )
    assert done.returncode == expected, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(name="run", scope="session")
def _run():
    return run

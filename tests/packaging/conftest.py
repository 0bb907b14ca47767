"""A clean copy of the source and a clean environment, so that building touches neither working tree nor workspace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("lossless_ros", "sim", "config", "docs", "launch", "resource", "scripts", "tests")
FILES = (
    "share/ament_index/resource_index/packages/lossless_ros",
    "share/lossless_ros/package.xml",
    *(f"share/lossless_ros/{file.relative_to(ROOT)}" for file in (ROOT / "launch").glob("*.launch.py")),
    *(f"share/lossless_ros/{file.relative_to(ROOT)}" for file in (ROOT / "config").rglob("*.*")),
)
NODES = ("inference_node", "sim_robot_node", "collection_node", "replay_node")


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


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """No other workspace (colcon's changes sys.prefix through PYTHONPATH); tools are those that run the tests."""
    unwanted = ("PYTHONPATH", "AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Callable[..., str]:
    """Output of a command that must exit with `expected`; `extra` goes into its environment."""

    def run_command(*command: str | Path, expected: int = 0, cwd: Path | None = None, **extra: str) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            cwd=cwd,
            env={**environment, **extra},
        )
        assert done.returncode == expected, f"{command} exited with {done.returncode}:\n{done.stdout}"
        return done.stdout

    return run_command


@pytest.fixture(scope="session")
def check_files() -> Callable[[Path], None]:
    """Fails unless an installation's executables, launch files and configuration are where ROS looks."""

    def check(prefix: Path) -> None:
        missing = [file for file in FILES if not (prefix / file).is_file()]
        missing += [node for node in NODES if not os.access(prefix / "lib" / "lossless_ros" / node, os.X_OK)]
        assert not missing

    return check

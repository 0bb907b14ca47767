"""A normal installation with pip, away from the source tree."""

import os
import sys
import sysconfig
from pathlib import Path

import pytest

NODES = ("inference_node", "sim_robot_node", "collection_node", "replay_node")


@pytest.fixture(scope="module")
def prefix(source: Path, tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    """A new virtual environment with the package's wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    wheel = next(folder.glob("*.whl"))
    pip = (sys.executable, "-m", "pip", "--python", folder / "venv" / "bin" / "python")
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    return folder / "venv"


@pytest.fixture
def environment(prefix: Path) -> dict[str, str]:
    """Dependencies come from the environment of the tests; the package itself does not."""
    return {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), "AMENT_PREFIX_PATH": str(prefix)}


def test_ros_finds_the_package_its_launch_files_and_configuration(prefix: Path) -> None:
    assert (prefix / "share/ament_index/resource_index/packages/lossless_ros").is_file()
    share = prefix / "share" / "lossless_ros"
    assert (share / "package.xml").is_file()
    assert len(list((share / "launch").glob("*.launch.py"))) == 4
    for file in ("contracts/rgb_stacking.yaml", "robots/sawyer.yaml", "dds/fastdds.xml"):
        assert (share / "config" / file).is_file()


@pytest.mark.parametrize("node", NODES)
def test_ros2_run_finds_an_executable_that_starts(
    prefix: Path, environment: dict, node: str, tmp_path: Path, run
) -> None:
    executable = prefix / "lib" / "lossless_ros" / node
    output = run(executable, "--ros-args", "--nonsense", expected=2, env=environment, cwd=tmp_path)
    assert "--nonsense" in output and "Traceback" not in output


def test_command_reads_the_installed_configuration(prefix: Path, environment: dict, tmp_path: Path, run) -> None:
    output = run(prefix / "bin" / "lossless", "info", "rgb_stacking", env=environment, cwd=tmp_path)
    assert "20 Hz" in output
    code = "import lossless_ros.paths as p, lossless_sim as s; print(p.share_dir(), p.__file__, s.__file__)"
    shown = run(prefix / "bin" / "python", "-c", code, env=environment, cwd=tmp_path)
    assert shown.count(str(prefix)) == 3

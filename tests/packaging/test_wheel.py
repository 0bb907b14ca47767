"""A normal installation with pip, away from the source tree."""

import sys
from pathlib import Path

import pytest

SITE_PACKAGES = str(Path(pytest.__file__).parents[1])  # the dependencies; the package itself comes from the wheel


@pytest.fixture(scope="module")
def prefix(source: Path, tmp_path_factory: pytest.TempPathFactory, run) -> Path:
    """Return a new virtual environment with only the package's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    wheel = next(folder.glob("*.whl"))
    pip = (sys.executable, "-m", "pip", "--python", folder / "venv" / "bin" / "python")
    run(*pip, "install", "--no-deps", "--no-index", wheel)
    return folder / "venv"


def test_executables_and_files_are_where_ros_expects_them(prefix: Path, check_files) -> None:
    check_files(prefix)


@pytest.mark.parametrize("node", ["inference_node", "sim_robot_node", "collection_node", "replay_node"])
def test_ros2_run_finds_an_executable_that_starts(prefix: Path, node: str, tmp_path: Path, run) -> None:
    executable = prefix / "lib" / "lossless_ros" / node
    output = run(executable, "--ros-args", "--nonsense", expected=2, cwd=tmp_path, PYTHONPATH=SITE_PACKAGES)
    assert "--nonsense" in output and "Traceback" not in output


def test_command_reads_the_installed_configuration(prefix: Path, tmp_path: Path, run) -> None:
    output = run(prefix / "bin" / "lossless", "info", "rgb_stacking", cwd=tmp_path, PYTHONPATH=SITE_PACKAGES)
    assert "rate_hz: 20" in output
    code = "import lossless_ros.paths as p, lossless_sim as s; print(p.share_dir(), p.__file__, s.__file__)"
    shown = run(prefix / "bin" / "python", "-c", code, cwd=tmp_path, PYTHONPATH=SITE_PACKAGES)
    assert shown.count(str(prefix)) == 3


def test_shipped_bundles_are_found_by_name(prefix: Path, tmp_path: Path, run) -> None:
    output = run(prefix / "bin" / "lossless", "list", "bundles", cwd=tmp_path, PYTHONPATH=SITE_PACKAGES)
    assert "triplet5: rgb_stacking/triplet5" in output and f"bundles in {prefix}" in output


def test_report_templates_are_installed(prefix: Path) -> None:
    (pages,) = prefix.glob("lib/python*/site-packages/lossless_ros/evaluation/pages")
    assert {path.name for path in pages.iterdir()} >= {"base.html", "demo.html", "replay.html", "replay_part.html"}

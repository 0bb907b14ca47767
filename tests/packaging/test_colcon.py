"""A colcon workspace that holds this package: build, run from the installation, test."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("COLCON" in os.environ, reason="runs colcon itself, and colcon runs it now")
QUICK = ("tests/contract/test_contract.py", "tests/test_layering.py", "tests/packaging/test_requirements.py")
COLCON = (sys.executable, "-m", "colcon")


@pytest.fixture(scope="module", params=[(), ("--symlink-install",)], ids=["copied", "symlinked"])
def workspace(request, source: Path, tmp_path_factory, run) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "src").mkdir()
    (folder / "src" / "lossless_ros").symlink_to(source)
    run(*COLCON, "build", *request.param, cwd=folder)
    return folder


def test_executables_and_files_are_where_ros_looks(workspace: Path, check_files) -> None:
    check_files(workspace / "install" / "lossless_ros")


def test_sourced_workspace_runs_nodes_and_finds_its_configuration(workspace: Path, tmp_path: Path, run) -> None:
    lib = workspace / "install" / "lossless_ros" / "lib" / "lossless_ros"
    script = f". {workspace}/install/setup.sh && {lib}/lossless info rgb_stacking"
    assert "rate_hz: 20" in run("sh", "-c", script, cwd=tmp_path)
    script = f". {workspace}/install/setup.sh && {lib}/lossless info triplet5"
    assert "task: rgb_stacking/triplet5" in run("sh", "-c", script, cwd=tmp_path)
    script = f". {workspace}/install/setup.sh && {lib}/inference_node --ros-args --nonsense"
    assert "--nonsense" in run("sh", "-c", script, cwd=tmp_path, expected=2)


def test_colcon_test_runs_tests_and_they_pass(workspace: Path, run) -> None:
    run(*COLCON, "test", "--return-code-on-test-failure", "--pytest-args", *QUICK, cwd=workspace)
    summary = run(*COLCON, "test-result", "--all", cwd=workspace).splitlines()[-1]
    assert not summary.startswith("Summary: 0 tests") and "0 errors, 0 failures" in summary, summary

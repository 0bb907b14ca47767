"""A colcon workspace that holds this package: build, run from the installation, test."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("COLCON" in os.environ, reason="runs colcon itself, and colcon runs it now")
NODES = ("inference_node", "sim_robot_node", "collection_node", "replay_node")
QUICK = ("tests/test_contract.py", "tests/test_layering.py", "tests/packaging/test_requirements.py")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """No other workspace; colcon and Python of the environment that runs the tests."""
    unwanted = ("PYTHONPATH", "AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module", params=[(), ("--symlink-install",)], ids=["copied", "symlinked"])
def workspace(request, source: Path, environment: dict, tmp_path_factory, run) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "src").mkdir()
    (folder / "src" / "lossless_ros").symlink_to(source)
    run(sys.executable, "-m", "colcon", "build", *request.param, cwd=folder, env=environment)
    return folder


def test_executables_and_files_are_where_ros_looks(workspace: Path) -> None:
    prefix = workspace / "install" / "lossless_ros"
    for name in (*NODES, "lossless"):
        assert os.access(prefix / "lib" / "lossless_ros" / name, os.X_OK)
    assert (prefix / "share/ament_index/resource_index/packages/lossless_ros").is_file()
    share = prefix / "share" / "lossless_ros"
    assert (share / "package.xml").is_file()
    assert len(list((share / "launch").glob("*.launch.py"))) == 4
    for file in ("contracts/rgb_stacking.yaml", "robots/sawyer.yaml", "dds/fastdds.xml"):
        assert (share / "config" / file).is_file()


def test_sourced_workspace_runs_nodes_and_finds_its_configuration(workspace: Path, environment, tmp_path, run) -> None:
    lib = workspace / "install" / "lossless_ros" / "lib" / "lossless_ros"
    script = f". {workspace}/install/setup.sh && {lib}/lossless info rgb_stacking"
    assert "20 Hz" in run("sh", "-c", script, cwd=tmp_path, env=environment)
    script = f". {workspace}/install/setup.sh && {lib}/inference_node --ros-args --nonsense"
    assert "--nonsense" in run("sh", "-c", script, cwd=tmp_path, env=environment, expected=2)


def test_colcon_test_runs_tests_and_they_pass(workspace: Path, environment: dict, run) -> None:
    colcon = (sys.executable, "-m", "colcon")
    run(*colcon, "test", "--return-code-on-test-failure", "--pytest-args", *QUICK, cwd=workspace, env=environment)
    summary = run(*colcon, "test-result", "--all", cwd=workspace, env=environment).splitlines()[-1]
    assert not summary.startswith("Summary: 0 tests") and "0 errors, 0 failures" in summary, summary

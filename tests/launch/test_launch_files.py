"""The launch files, run by ROS 2's own launch. It is not on PyPI: without it they are only parsed."""

import ast
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lossless_ros.ros_environment import PROFILE_VARIABLES, stay_on_this_machine

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
PATIENCE_S = 180.0
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None,
    reason="ROS 2's launch and launch_ros are not installed (they are not on PyPI)",
)
LAUNCHER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
service = LaunchService(noninteractive=True)
arguments = [argument.split(":=", 1) for argument in sys.argv[2:]]
include = IncludeLaunchDescription(sys.argv[1], launch_arguments=arguments)
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


class Launched:
    """A launch file in a process of its own, run as by `ros2 launch`."""

    def __init__(self, file: str, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        prefixes = [environment.get("AMENT_PREFIX_PATH"), sys.prefix]
        environment["AMENT_PREFIX_PATH"] = os.pathsep.join(filter(None, prefixes))
        stay_on_this_machine(environment, os.getpid() % 100 + 1)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", LAUNCHER, str(ROOT / "launch" / f"{file}.launch.py"), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def read_until(self, text: str) -> None:
        """Read the output up to a line with the text; the node's warnings keep lines coming."""
        assert self.process.stdout
        end = time.monotonic() + PATIENCE_S
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
            if time.monotonic() > end:
                break
        raise AssertionError(f"'{text}' is not in the output:\n{self.output}")

    def read_to_end(self) -> str:
        self.output += self.process.communicate(timeout=PATIENCE_S)[0]
        return self.output


@pytest.fixture
def launched() -> Iterator[list[Launched]]:
    """Launched processes, ended after the test."""
    started: list[Launched] = []
    yield started
    for item in started:
        if item.process.poll() is None:
            os.killpg(item.process.pid, signal.SIGKILL)
        item.process.communicate()


def load(file: str) -> ModuleType:
    """Load a launch file as a module."""
    spec = importlib.util.spec_from_file_location(file, ROOT / "launch" / f"{file}.launch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_file_is_valid_python_and_documents_its_use(file: Path) -> None:
    tree = ast.parse(file.read_text(), str(file))
    assert f"ros2 launch lossless_ros {file.name}" in str(ast.get_docstring(tree))
    assert "generate_launch_description" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@needs_launch
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_argument_is_described(file: Path) -> None:
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    description = PythonLaunchDescriptionSource(str(file)).get_launch_description(LaunchContext())
    arguments = description.get_launch_arguments()
    assert arguments
    assert all(argument.description != "no description given" for argument in arguments)


@needs_launch
def test_real_robot_is_a_dry_run_by_default() -> None:
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch.utilities import perform_substitutions

    file = str(ROOT / "launch" / "real_stacking.launch.py")
    context = LaunchContext()
    arguments = PythonLaunchDescriptionSource(file).get_launch_description(context).get_launch_arguments()
    defaults = {argument.name: argument.default_value for argument in arguments}
    values = {name: perform_substitutions(context, defaults[name]) for name in ("bundle", "robot", "dry_run")}
    assert values == {"bundle": "triplet5", "robot": "sawyer", "dry_run": "true"}


@needs_launch
def test_unknown_robot_is_a_one_line_error_with_the_known_ones(launched: list[Launched]) -> None:
    launched.append(Launched("real_stacking", "bundle:=none.safetensors", "robot:=nobody"))
    output = launched[0].read_to_end()
    assert "unknown robot 'nobody'; known: " in output and "sawyer" in output
    assert launched[0].process.returncode != 0


@needs_launch
@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("real_stacking", ["bundle:=none.safetensors"]),
        ("replay_evaluation", ["bundle:=none.safetensors", "bag:=none"]),
        ("sim_collection", ["out:=none", "task:=none"]),
        ("sim_stacking", ["bundle:=none.safetensors", "task:=none"]),
    ],
)
def test_node_reports_a_wrong_argument_and_ends_the_launch(
    launched: list[Launched], file: str, arguments: list[str]
) -> None:
    launched.append(Launched(file, *arguments))
    output = launched[0].read_to_end()
    assert [line for line in output.splitlines() if "_node-" in line and "] error: " in line], output


@needs_launch
def test_every_argument_that_the_simulated_robot_knows_reaches_it() -> None:
    """Both nodes have to follow the same contract."""
    from lossless_ros.nodes.sim_robot_node import PARAMETERS

    module = load("sim_stacking")
    known = {parameter.name for parameter in PARAMETERS}
    assert "contract" in module.SIMULATOR and set(module.SIMULATOR) == known & set(module.ARGUMENTS)


@needs_launch
@pytest.mark.parametrize(("file", "node"), [("sim_collection", "collection"), ("replay_evaluation", "replay")])
def test_every_parameter_of_a_batch_node_can_be_given(file: str, node: str) -> None:
    parameters = importlib.import_module(f"lossless_ros.nodes.{node}_node").PARAMETERS
    assert {parameter.name for parameter in parameters} == set(load(file).ARGUMENTS)


@needs_launch
@pytest.mark.parametrize(
    ("file", "node", "own"),
    [
        ("replay_evaluation", "replay", {}),
        ("sim_collection", "collection", {"episodes": "30"}),
        (
            "sim_stacking",
            "sim_robot",
            {"domain": "randomized", "episodes": "10", "mode": "lock_step"},
        ),  # its bundles are `bundle`
    ],
)
def test_defaults_are_those_of_the_node_except_a_few(file: str, node: str, own: dict[str, str]) -> None:
    parameters = importlib.import_module(f"lossless_ros.nodes.{node}_node").PARAMETERS
    expected = {p.name: None if p.required else own.get(p.name, str(p.default)) for p in parameters}
    defaults = {name: default for name, (default, _) in load(file).ARGUMENTS.items() if name in expected}
    assert defaults == {name: expected[name] for name in defaults}


@needs_launch
@pytest.mark.parametrize("file", ["real_stacking", "sim_stacking"])
def test_every_parameter_of_the_inference_node_can_be_given(file: str, launched: list[Launched]) -> None:
    from lossless_ros.nodes.inference.parameters import PARAMETERS

    module = load("real_stacking")
    known = {parameter.name for parameter in PARAMETERS if not parameter.name.startswith("safety.")}
    assert known - {"bundles", "autostart"} == {"robot", "dry_run", *module.TYPES} <= set(module.ARGUMENTS)
    assert all(type(p.default) is module.TYPES[p.name] for p in PARAMETERS if p.name in module.TYPES)
    launched.append(Launched(file, "bundle:=none.safetensors", "resume:=never"))
    assert "parameter resume is 'never', expected" in launched[0].read_to_end()


@needs_launch
def test_integers_in_a_robot_file_are_accepted_as_floats(launched: list[Launched], tmp_path: Path) -> None:
    text = "/**: {ros__parameters: {safety: {workspace: [0, -0.2, 0, 1, 0.2, 1], linear_acceleration: 1}}}"
    (tmp_path / "arm.yaml").write_text(text)
    launched.append(Launched("real_stacking", "bundle:=none.safetensors", f"robot:={tmp_path / 'arm.yaml'}"))
    assert "no such file: none.safetensors" in launched[0].read_to_end()


@needs_launch
def test_drivers_get_the_dds_settings_that_images_need(launched: list[Launched], tmp_path: Path) -> None:
    (tmp_path / "cameras.launch.py").write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import ExecuteProcess\n"
        "def generate_launch_description():\n"
        "    echo = ExecuteProcess(cmd=['env'], output='screen')\n"
        "    return LaunchDescription([echo])\n"
    )
    launched.append(Launched("real_stacking", "bundle:=none.safetensors", f"drivers:={tmp_path / 'cameras.launch.py'}"))
    output = launched[0].read_to_end()
    for variable in PROFILE_VARIABLES:
        assert re.search(rf"{variable}=.*config/dds/fastdds.xml", output)
    launched.append(Launched("real_stacking", "drivers:=nothing.launch.py"))
    assert "no such launch file: nothing.launch.py" in launched[1].read_to_end()


@needs_launch
def test_without_arguments_a_shipped_bundle_waits_for_the_robots_topics(launched: list[Launched]) -> None:
    launched.append(Launched("real_stacking"))
    launched[0].read_until("no publisher on /basket_front_left/image_raw")
    assert "active: task rgb_stacking/triplet5" in launched[0].output and "dry run" in launched[0].output


@needs_launch
def test_without_arguments_a_shipped_bundle_stacks(launched: list[Launched]) -> None:
    """Not every one of the ten episodes need be a success."""
    launched.append(Launched("sim_stacking"))
    launched[0].read_until(": success after")
    assert "active: task rgb_stacking/triplet5" in launched[0].output


@needs_launch
def test_dry_run_of_the_simulated_robot_runs_and_says_what_it_shows(launched: list[Launched]) -> None:
    launched.append(Launched("sim_stacking", "dry_run:=true"))
    launched[0].read_until("active: task rgb_stacking/triplet5")
    launched[0].read_until("nobody commands the arm")  # again and again
    assert "dry run: the policy sees the first scene" in launched[0].output


@needs_launch
@pytest.mark.parametrize("after", ["process started", "active: task"])
def test_interrupted_launch_ends_without_an_error(launched: list[Launched], after: str) -> None:
    launched.append(Launched("sim_stacking"))
    launched[0].read_until(after)
    time.sleep(1.0)  # before that the interpreters of the nodes begin, which take no signals
    os.killpg(launched[0].process.pid, signal.SIGINT)
    output = launched[0].read_to_end()
    assert launched[0].process.returncode == 0, output
    assert "Caught exception" not in output and "SIGKILL" not in output


@needs_launch
def test_inference_node_becomes_active_and_ends_with_the_launch(launched: list[Launched], tmp_path: Path) -> None:
    from lossless_ros.contract import load_contract
    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.network_config import NetworkConfig
    from tests.support.policies import write_bundle

    config = NetworkConfig(("bottom", "middle", "top"), 4, 3, 64, 128, 2, (16,))
    bundle = tmp_path / "triplet1.safetensors"
    write_bundle(bundle, load_backbone("tf_efficientnet_lite0"), load_contract("rgb_stacking"), config)
    launched.append(Launched("real_stacking", f"bundle:={bundle}"))
    launched[0].read_until("active: task rgb_stacking/triplet1")
    assert "dry run" in launched[0].output
    os.killpg(launched[0].process.pid, signal.SIGINT)
    assert "finished cleanly" in launched[0].read_to_end()

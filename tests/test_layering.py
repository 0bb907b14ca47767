"""Imports go one way. Read from the source, so that imports inside functions count too."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [set(row["parts"]) for row in yaml.safe_load((ROOT / "docs" / "layers.yaml").read_text())]  # low to high
LAYER = {part: index for index, parts in enumerate(LAYERS) for part in parts}
SIMULATOR = re.compile(r"(mujoco|dm_control|dm_env|dm_robotics|gymnasium|lossless_sim)\b")
DESKTOP = re.compile(r"(typer|rich|pydantic|matplotlib)\b")
ON_DEMAND = {"lossless_ros.control.kinematics"}  # imports MuJoCo inside functions, for joint commands and only then
ROS = re.compile(r"(rclpy|rcl_interfaces|std_srvs|launch|launch_ros|\w+_msgs)\b")
LEARNING = re.compile(r"(torch|torchvision|timm|safetensors)\b")


def modules(package: Path) -> dict[str, Path]:
    """Source files by dotted module name."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


OURS = modules(ROOT / "lossless_ros")
NODES = [module for module in OURS if module.startswith("lossless_ros.nodes")]
SIM = modules(ROOT / "sim" / "lossless_sim")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything a file imports; `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import; write the whole name"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(module: str) -> str:
    """First part of a module's name below lossless_ros."""
    return (module.split(".") + ["__init__"])[1]


def reachable(start: str) -> set[str]:
    """Modules of lossless_ros that a module imports, directly or not."""
    found, todo = set(), [start]
    while todo:
        module = todo.pop()
        if module in OURS and module not in found:
            found.add(module)
            todo += [name for name in imports(OURS[module])] + [module.rpartition(".")[0]]
    return found


@pytest.mark.parametrize("module", OURS)
def test_module_imports_only_its_own_layer_and_lower_ones(module: str) -> None:
    assert part(module) in LAYER, f"give '{part(module)}' a layer in docs/layers.yaml"
    for name in imports(OURS[module]):
        if name in OURS:
            assert LAYER[part(name)] <= LAYER[part(module)], f"{module} imports {name}, which is above it"


@pytest.mark.parametrize("module", [m for m in OURS if part(m) != "nodes"])
def test_ros_is_imported_under_nodes_only(module: str) -> None:
    assert not [name for name in imports(OURS[module]) if ROS.match(name)]


@pytest.mark.parametrize("module", [m for m in OURS if part(m) == "nodes"])
def test_what_imports_no_ros_is_not_a_node(module: str) -> None:
    names = {name for reached in reachable(module) & set(NODES) for name in imports(OURS[reached])}
    assert OURS[module].name == "__init__.py" or [name for name in names if ROS.match(name)]


@pytest.mark.parametrize("module", [m for m in OURS if m != "lossless_ros.simulation.env"])
def test_simulator_is_imported_through_one_door(module: str) -> None:
    assert not [name for name in imports(OURS[module]) if name.startswith("lossless_sim")]


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {m: {name for name in imports(path) if name in OURS and name != m} for m, path in OURS.items()}
    packages = {m for m, path in OURS.items() if path.name == "__init__.py"}
    tuple(TopologicalSorter({m: graph[m] - packages for m in graph if m not in packages}).static_order())


@pytest.mark.parametrize("module", SIM)
def test_simulator_knows_neither_ros_nor_torch_nor_the_policy_package(module: str) -> None:
    names = list(imports(SIM[module]))
    assert not [name for name in names if ROS.match(name) or LEARNING.match(name) or name.startswith("lossless_ros")]


@pytest.mark.parametrize("root", ["nodes.inference_node", "contract", "observation", "control", "models"])
def test_robot_side_runs_without_simulator_and_command_line(root: str) -> None:
    root = f"lossless_ros.{root}"
    assert root in OURS
    for module in [m for m in OURS if m == root or m.startswith(f"{root}.")]:
        for name in reachable(module) - ON_DEMAND:
            unwanted = [i for i in imports(OURS[name]) if SIMULATOR.match(i) or DESKTOP.match(i)]
            assert not unwanted, f"{module} needs {name}, which imports {unwanted[0]}"


@pytest.mark.parametrize("module", sorted(ON_DEMAND))
def test_optional_packages_are_imported_inside_functions(module: str) -> None:
    tree = ast.parse(OURS[module].read_text())
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [str(getattr(node, "module", None) or node.names[0].name) for node in top]
    assert not [name for name in names if SIMULATOR.match(name) or name.startswith("mink")]

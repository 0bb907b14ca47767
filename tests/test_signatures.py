"""Functions stay callable: at most 8 parameters, and no call or literal unpacks an anonymous tuple."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("lossless_ros", "sim/lossless_sim", "benchmarks", "scripts", "launch")
SOURCES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MAX_PARAMETERS = 8


@pytest.mark.parametrize("source", [path for path in SOURCES if path.parts[:2] != ("lossless_ros", "cli")], ids=str)
def test_functions_take_few_parameters(source: Path) -> None:
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs)
            assert count <= MAX_PARAMETERS, f"{source}:{node.lineno}: {node.name} takes {count}; make a dataclass"


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_anonymous_tuples_are_not_unpacked(source: Path) -> None:
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.Starred):
            assert not isinstance(node.value, ast.Tuple), f"{source}:{node.lineno}: name the arguments"

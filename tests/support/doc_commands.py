"""Commands in the documentation: split into words, and parsed by what they call without running it."""

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from unittest import mock

import typer

from tests.support.doc_pages import ROOT

NODES = {
    "inference_node": "lossless_ros.nodes.inference.parameters",
    "sim_robot_node": "lossless_ros.nodes.sim_robot_node",
    "collection_node": "lossless_ros.nodes.collection_node",
    "replay_node": "lossless_ros.nodes.replay_node",
}


class UnknownName(Exception):
    """Something in a documented command does not exist."""


def shell_lines(text: str) -> list[str]:
    """Return the commands of a shell block, with continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def words(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line (`a && b; c`), without comments."""
    command: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|()<>")
    lexer.whitespace_split = True
    for word in lexer:
        if re.fullmatch(r"[&;|()<>]+", word):
            yield command
            command = []
        else:
            command.append(word)
    yield command


def check(command: list[str]) -> bool:
    """Check the names in a command, if it is one of this package's; return whether it is.

    Raises:
        UnknownName: an option, argument, parameter, topic or service that does not exist.
    """
    tools = {"lossless": check_lossless, "ros2": check_ros2, **dict.fromkeys(NODES, check_node)}
    for at, word in enumerate(command):
        tool = word.rpartition("/")[2]
        if tool in tools:
            return tools[tool](command[at:])
    return False


def check_lossless(command: list[str]) -> bool:
    """Parse a `lossless` command."""
    from lossless_ros.cli.app import app

    called, arguments = typer.main.get_command(app), command[1:]
    while subcommands := getattr(called, "commands", None):
        if not arguments or arguments[0].startswith("-"):
            return True
        if arguments[0] not in subcommands:
            raise UnknownName(f"lossless has no command {arguments[0]}")
        called, arguments = subcommands[arguments[0]], arguments[1:]
    try:
        called.make_context("lossless", list(arguments))
    except typer.Exit:  # --help
        return True
    except typer.TyperException as error:
        raise UnknownName(f"{' '.join(command)}: {error.format_message()}") from None
    return True


def check_ros2(command: list[str]) -> bool:
    """Check the arguments of a launch file, the parameters of a node, or the name of a topic or service."""
    if command[1:3] == ["launch", "lossless_ros"]:
        if command[3] == "FILE":
            return True
        known = launch_arguments(command[3])
        for argument in command[4:]:
            name = argument.partition(":=")[0]
            if ":=" in argument and name not in known:
                raise UnknownName(f"{command[3]} has no argument {name}; known: {', '.join(sorted(known))}")
        return True
    if command[1:3] == ["run", "lossless_ros"]:
        return check_node(command[3:])
    if command[1:3] == ["param", "set"]:
        return check_node([command[3].strip("/"), "-p", f"{command[4]}:={command[5]}"])
    names = [word for word in command if word.startswith("/inference_node/")]
    page = (ROOT / "docs" / "reference" / "topics.md").read_text()
    for name in names:
        if f"`{name.replace('/inference_node', '~')}`" not in page:
            raise UnknownName(f"the inference node has no {name}")
    return bool(names)


def check_node(command: list[str]) -> bool:
    """Check the parameters that are given to a node."""
    known = {parameter.name for parameter in importlib.import_module(NODES[command[0]]).PARAMETERS}
    for option, value in zip(command, command[1:], strict=False):
        name = value.partition(":=")[0]
        if option == "-p" and name not in known | {"use_sim_time"}:
            raise UnknownName(f"{command[0]} has no parameter {name}; known: {', '.join(sorted(known))}")
    return True


@cache
def launch_arguments(file: str) -> frozenset[str]:
    """Return the arguments of a launch file, those of an included file as well.

    Raises:
        UnknownName: no such file.
    """
    path = ROOT / "launch" / file
    if not path.is_file():
        raise UnknownName(f"no launch file {file}")
    names = set(_launch_module(file).ARGUMENTS) | set(re.findall(r'DeclareLaunchArgument\("(\w+)"', path.read_text()))
    for included in re.findall(r'"(\w+\.launch\.py)"', path.read_text()):
        names |= launch_arguments(included)
    return frozenset(names)


def _launch_module(file: str) -> ModuleType:
    """Return a launch file as a module; ROS 2's launch, which is not on PyPI, is replaced if it is missing."""
    path = ROOT / "launch" / file
    spec = importlib.util.spec_from_file_location(file.partition(".")[0], path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    shared = "lossless_ros.nodes.app.launch_node"  # imports launch as well
    sources = path.read_text() + (ROOT / shared.replace(".", "/")).with_suffix(".py").read_text()
    imported = re.findall(r"^from (launch(?:_ros)?(?:\.\w+)*) import", sources, re.MULTILINE)
    missing = [] if importlib.util.find_spec("launch_ros") else imported
    sys.modules.update({name: mock.MagicMock() for name in missing})
    try:
        spec.loader.exec_module(module)
    finally:  # only these: what else was imported meanwhile has to stay
        for name in (*missing, shared) if missing else ():
            sys.modules.pop(name, None)
    return module

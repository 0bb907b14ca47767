"""`lossless rerender`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros import defaults
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Contract, Json, Workers
from lossless_ros.progress import Progress, echo, write_json


def rerender(
    data: Annotated[list[Path], typer.Option(help="Folder with simulated episodes; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for the new rosbag2 folders; existing episodes are kept.")],
    looks: Annotated[int, typer.Option(help="New looks per episode.")] = 1,
    domain: Annotated[
        str | None,
        typer.Option(
            help="Domain of the looks: a name of config/domains or a YAML file.", show_default="the episode's own"
        ),
    ] = None,
    contract: Contract = defaults.CONTRACT,
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Render episodes of collect or dagger under other looks: new images, the same motion and commands."""
    from lossless_ros.simulation.rerender import RerenderConfig
    from lossless_ros.simulation.rerender import rerender as run

    config = RerenderConfig(data=data, out=out, looks=looks, domain=domain, contract=contract, workers=workers)
    kept = f"finished episodes are kept in {out}; run the same command to go on"
    with Progress("rendering", None) as progress, keeping(lambda: kept):
        infos = run(config, progress.update)
    frames = sum(info["steps"] for info in infos)
    echo(f"{len(infos)} episodes in {out}, {frames} frames")
    write_json(json, {"out": str(out), "n": len(infos), "frames": frames, "episodes": infos})

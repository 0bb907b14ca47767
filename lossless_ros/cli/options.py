"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.errors import unknown
from lossless_ros.models.runtimes.registry import RUNTIMES

# what worker processes and nodes must know as well goes to them in the environment


def _weights(path: Path | None) -> Path | None:
    if path is not None:
        os.environ["LOSSLESS_WEIGHTS"] = str(path.resolve())
    return path


def _hub(allowed: bool) -> bool:
    if allowed:
        os.environ["LOSSLESS_ALLOW_HUB"] = "1"
    return allowed


def _runtime(name: str) -> str:
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES)
    return name


Json = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON to this file; - is stdout.")]
Task = Annotated[str, typer.Option(help="suite/name, for example rgb_stacking/triplet1.")]
Seed = Annotated[int, typer.Option(help="First episode's seed; a seed names an episode.")]
Domain = Annotated[str, typer.Option(help="How the world looks: a name of config/domains or a YAML file.")]
ExpertNoise = Annotated[
    float, typer.Option(help="Noise on what the expert's arm does, 0 to 1 of the action limits; labels stay clean.")
]
Workers = Annotated[int, typer.Option(help="Worker processes.")]
Robot = Annotated[str, typer.Option(help="A name of config/robots or a YAML file.")]
Weights = Annotated[
    Path | None,
    typer.Option(help="Local file with the backbone's weights: .safetensors or a checkpoint.", callback=_weights),
]
Hub = Annotated[bool, typer.Option("--allow-hub", help="Download weights that are nowhere else.", callback=_hub)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Runtime = Annotated[
    str, typer.Option(help=f"What runs it, torch is the reference: {', '.join(RUNTIMES)}.", callback=_runtime)
]

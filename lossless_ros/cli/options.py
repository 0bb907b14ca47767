"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.errors import unknown
from lossless_ros.files import check_folder_writable, check_writable
from lossless_ros.models.runtimes.registry import RUNTIMES


def _check_runtime(name: str) -> str:
    if name not in RUNTIMES:
        raise unknown("runtime", name, RUNTIMES)
    return name


def check_file(path: Path | None) -> Path | None:
    """Return an option's file if it can be written.

    Raises:
        LosslessError: it cannot.
    """
    if path is not None and str(path) != "-":
        check_writable(path)
    return path


def check_folder(path: Path | None) -> Path | None:
    """Return an option's folder if files can be written into it.

    Raises:
        LosslessError: they cannot.
    """
    if path is not None:
        check_folder_writable(path)
    return path


Json = Annotated[
    Path | None,
    typer.Option("--json", help="Write the result as JSON to this file; - is stdout.", callback=check_file),
]
Task = Annotated[str, typer.Option(help="suite/name, for example rgb_stacking/triplet1.")]
Seed = Annotated[int, typer.Option(help="Seed of the first episode; a seed names an episode.")]
Domain = Annotated[
    str, typer.Option(help="Simulated domain: a name of config/domains or a YAML file; auto: that of the task's suite.")
]
Contract = Annotated[str, typer.Option(help="A name of config/contracts or a YAML file.")]
ExpertNoise = Annotated[
    float | None,
    typer.Option(
        help="Noise on the expert's executed actions, 0 to 1 of their limits; labels stay clean. Default: the suite's."
    ),
]
GripperNoise = Annotated[
    float | None,
    typer.Option(
        help="How often per second the executed gripper command is inverted for 0.5 to 1.5 s; labels stay clean. "
        "Default: the suite's."
    ),
]
Workers = Annotated[int, typer.Option(help="Worker processes.")]
Robot = Annotated[str, typer.Option(help="A name of config/robots or a YAML file.")]
Weights = Annotated[
    Path | None, typer.Option(help="Local file with the backbone's weights: .safetensors or a checkpoint.")
]
Hub = Annotated[bool, typer.Option("--allow-hub", help="Download weights that are not on this machine.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Runtime = Annotated[
    str,
    typer.Option(help=f"Inference runtime, torch is the reference: {', '.join(RUNTIMES)}.", callback=_check_runtime),
]

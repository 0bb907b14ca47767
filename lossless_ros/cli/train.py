"""`lossless train`."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.cost import announce_training
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Hub, Json, Robot, Weights, check_folder
from lossless_ros.paths import cache_dir
from lossless_ros.progress import Progress, echo, write_json


class Mode(str, Enum):
    """How a policy is trained."""

    frozen = "frozen"
    top = "top"
    middle = "middle"
    bottom = "bottom"
    adapters = "adapters"
    full = "full"
    scratch = "scratch"


def train(
    data: Annotated[list[Path], typer.Option(help="Folder with episodes; may be given several times.")],
    out: Annotated[Path, typer.Option(help="The bundle to write (.safetensors).")],
    backbone: Annotated[str, typer.Option(help="Name of the pretrained backbone.")] = defaults.BACKBONE,
    mode: Annotated[Mode, typer.Option(help="What is trained.")] = Mode.adapters,
    config: Annotated[
        str,
        typer.Option(help="A name of config/training or a YAML file; auto: stacking on a CPU, default on a GPU."),
    ] = defaults.SETTINGS,
    contract: Annotated[
        str, typer.Option(help="A name of config/contracts or a YAML file; auto: that of the recordings.")
    ] = defaults.AUTO,
    robot: Robot = "sim",
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint.")] = False,
    weights: Weights = None,
    allow_hub: Hub = False,
    init_from: Annotated[
        Path | None, typer.Option("--from", help="A bundle of the same mode to initialize from.")
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder for TensorBoard and a plot of the learning curve.", callback=check_folder),
    ] = None,
    json: Json = None,
) -> None:
    """Train by behavior cloning: adapters and head for a frozen backbone, written as one bundle."""
    from lossless_ros.training.behavior_cloning import TrainConfig
    from lossless_ros.training.behavior_cloning import train as run
    from lossless_ros.training.checkpoint import checkpoint_path

    job = TrainConfig(
        data=tuple(data),
        out=out,
        backbone=backbone,
        mode=mode.value,
        hyperparameters=config,
        contract=contract,
        robot=robot,
        resume=resume,
        weights=weights,
        allow_hub=allow_hub,
        init_from=init_from,
        log_dir=logs,
    )

    def kept() -> str:
        if checkpoint_path(out).exists():
            return f"{checkpoint_path(out)} is kept; run the same command with --resume to go on from it"
        return "there is no checkpoint yet; decoded episodes are kept in the cache, run the same command again"

    announce_training(data, cache_dir())
    with Progress("training", None) as progress, keeping(kept):
        result = run(job, progress.update)
    if not result:  # one of several processes, and not the first
        return
    echo(f"{out}: {result['steps']} steps, held-out loss {result['held_out_loss']:.4f}{_object_errors(result)}")
    write_json(json, result)


def _object_errors(result: dict[str, Any]) -> str:
    errors = result["object_error_mm"] or {}
    return "".join(f", {name} {error:.1f} mm" for name, error in errors.items())

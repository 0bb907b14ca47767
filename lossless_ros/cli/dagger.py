"""`lossless dagger`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.cli.options import Domain, Json, Workers
from lossless_ros.progress import Progress, echo, write_json


def dagger(
    bundle: Annotated[Path, typer.Option(help="The student to begin with.")],
    data: Annotated[list[Path], typer.Option(help="Folder with its demonstrations; may be given several times.")],
    folder: Annotated[Path, typer.Option(help="Folder for what the rounds make; the same command goes on in it.")],
    out: Annotated[Path, typer.Option(help="The bundle to write (.safetensors).")],
    rounds: Annotated[int, typer.Option(help="Rounds of driving, labelling and training.")] = 3,
    episodes: Annotated[int, typer.Option(help="Episodes of each round.")] = 20,
    beta: Annotated[
        float, typer.Option(help="The expert drives in this share of the first round, its square of the second, ...")
    ] = 0.5,
    expert: Annotated[str, typer.Option(help="scripted, lenient, reactive or specialist:PATH.")] = "scripted",
    domain: Domain = "randomized",
    seed: Annotated[int, typer.Option(help="First episode's seed.")] = 100_000,
    config: Annotated[
        str, typer.Option(help="Of each round's training: a name of config/training or a YAML file.")
    ] = "default",
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Train each round anew.")] = False,
    workers: Workers = 2,
    runtime: Annotated[str, typer.Option(help="What runs the student: torch, openvino (sooner on a CPU).")] = "torch",
    json: Json = None,
) -> None:
    """Let the policy drive in simulation, have the expert say what was right, and train on it; several rounds."""
    from lossless_ros.training.dagger import DaggerConfig
    from lossless_ros.training.dagger import dagger as run
    from lossless_ros.training.hyperparameters import load_hyperparameters

    settings = load_hyperparameters(config)
    plan = DaggerConfig(bundle, tuple(data), folder, settings, episodes, domain, expert, beta, seed, from_scratch)
    with Progress("dagger", None) as progress:
        result = run(plan, rounds, out, workers, runtime, progress.update)
    for one in result["rounds"]:
        loss = one["training"]["held_out_loss"]
        echo(f"round {one['round']}: {one['successes']} of {one['episodes']} successful, then held-out loss {loss:.4f}")
    echo(str(out))
    write_json(json, result)

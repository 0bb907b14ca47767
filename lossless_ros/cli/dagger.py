"""`lossless dagger`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros import defaults
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Domain, Json, Workers
from lossless_ros.progress import Progress, echo, write_json


def dagger(
    bundle: Annotated[Path, typer.Option(help=f"The student to start from: {defaults.BUNDLE_HELP}.")],
    data: Annotated[list[Path], typer.Option(help="Folder with its demonstrations; may be given several times.")],
    folder: Annotated[Path, typer.Option(help="Folder for the results of the rounds; the same command continues it.")],
    out: Annotated[Path, typer.Option(help="The bundle to write (.safetensors).")],
    rounds: Annotated[int, typer.Option(help="Rounds of rollouts, labeling and training.")] = 3,
    episodes: Annotated[int, typer.Option(help="Episodes per round.")] = 20,
    beta: Annotated[
        float, typer.Option(help="Probability that the expert acts in round 1; its square in round 2, and so on.")
    ] = 0.5,
    expert: Annotated[
        str, typer.Option(help="scripted, reactive or specialist:PATH; auto: that of the task's suite.")
    ] = defaults.AUTO,
    domain: Domain = defaults.AUTO,
    seed: Annotated[int, typer.Option(help="Seed of the first episode.")] = 100_000,
    config: Annotated[
        str,
        typer.Option(
            help="Settings of each round's training: a name of config/training or a YAML file; "
            "auto: stacking on a CPU, default on a GPU."
        ),
    ] = defaults.SETTINGS,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Train each round from scratch.")] = False,
    workers: Workers = 2,
    runtime: Annotated[str, typer.Option(help="Inference runtime of the student: torch, or openvino.")] = "torch",
    json: Json = None,
) -> None:
    """Run DAgger: the policy acts in simulation, the expert labels every frame, and the policy is trained on it."""
    from lossless_ros.training.dagger import DaggerConfig
    from lossless_ros.training.dagger import dagger as run

    job = DaggerConfig(
        bundle=bundle,
        data=tuple(data),
        folder=folder,
        out=out,
        rounds=rounds,
        hyperparameters=config,
        episodes=episodes,
        domain=domain,
        expert=expert,
        beta=beta,
        seed=seed,
        from_scratch=from_scratch,
        workers=workers,
        runtime=runtime,
    )
    kept = f"finished rounds and episodes are kept in {folder}; run the same command to go on"
    with Progress("dagger", None) as progress, keeping(lambda: kept):
        result = run(job, progress.update)
    for one in result["rounds"]:
        loss = one["training"]["held_out_loss"]
        echo(f"round {one['round']}: {one['successes']} of {one['episodes']} successful, then held-out loss {loss:.4f}")
    echo(str(out))
    write_json(json, result)

"""`lossless collect`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.cost import announce_collection
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Contract, Domain, ExpertNoise, GripperNoise, Json, Seed, Task
from lossless_ros.defaults import EXPERTS_HELP
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT, IMAGE_FORMATS, JPEG_QUALITY
from lossless_ros.progress import EpisodeProgress, Progress, echo, write_json


def collect(
    task: Task,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")],
    out: Annotated[Path, typer.Option(help="Folder for the rosbag2 folders; existing episodes are kept.")],
    seed: Seed = 0,
    domain: Domain = defaults.DOMAIN,
    workers: Annotated[
        str, typer.Option(help="Processes on this machine, or ray or ray://HOST:PORT for a Ray cluster.")
    ] = "2",
    expert: Annotated[str, typer.Option(help=f"{EXPERTS_HELP}.")] = defaults.EXPERT,
    expert_noise: ExpertNoise = defaults.EXPERT_NOISE,
    gripper_noise: GripperNoise = defaults.GRIPPER_NOISE,
    contract: Contract = defaults.CONTRACT,
    max_steps: Annotated[int, typer.Option(help="Longest episode, in control periods.")] = defaults.MAX_STEPS,
    image_format: Annotated[
        str,
        typer.Option(
            help=f"Images in the bags, {', '.join(IMAGE_FORMATS)}: jpeg has quality {JPEG_QUALITY}, png no loss and "
            f"about four times the size."
        ),
    ] = DEFAULT_FORMAT,
    json: Json = None,
) -> None:
    """Record demonstrations of an expert in simulation, as rosbag2 folders."""
    from lossless_ros.simulation.collect import CollectConfig
    from lossless_ros.simulation.collect import collect as run

    config = CollectConfig(
        task=task,
        out=out,
        episodes=episodes,
        seed=seed,
        domain=domain,
        expert=expert,
        expert_noise=expert_noise,
        gripper_noise=gripper_noise,
        contract=contract,
        workers=workers,
        max_steps=max_steps,
        image_format=image_format,
    )
    lost: list[str] = []

    def on_progress(info: dict[str, Any]) -> None:
        shown.on_episode(info)
        if "unstable" in info:
            lost.append(f"seed {info['seed']} not recorded: {info['unstable']}")

    announce_collection(episodes, out, workers, image_format, max_steps)
    kept = f"finished episodes are kept in {out}; run the same command to go on"
    with Progress("collecting", None) as progress, keeping(lambda: kept):
        shown = EpisodeProgress(progress.update, episodes, max_steps)
        infos = run(config, on_progress, shown.on_steps)
    for line in lost:
        echo(line)
    successes = sum(info["success"] for info in infos)
    frames = sum(info["steps"] for info in infos)
    echo(f"{len(infos)} episodes in {out}, {successes} of them successful, {frames} frames")
    write_json(json, {"out": str(out), "n": len(infos), "successes": successes, "frames": frames, "episodes": infos})

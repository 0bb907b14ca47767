"""`lossless collect`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.cost import announce_collection
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Domain, ExpertNoise, GripperNoise, Json, Seed, Task
from lossless_ros.defaults import EXPERTS_HELP
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT, IMAGE_FORMATS, JPEG_QUALITY
from lossless_ros.progress import EpisodeProgress, Progress, echo, write_json


def collect(
    task: Task,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")],
    out: Annotated[Path, typer.Option(help="Folder for the rosbag2 folders; existing episodes are kept.")],
    seed: Seed = 0,
    domain: Domain = defaults.AUTO,
    workers: Annotated[
        str, typer.Option(help="Processes on this machine, or ray or ray://HOST:PORT for a Ray cluster.")
    ] = "2",
    expert: Annotated[str, typer.Option(help=f"{EXPERTS_HELP}; auto: that of the task's suite.")] = defaults.AUTO,
    expert_noise: ExpertNoise = None,
    gripper_noise: GripperNoise = None,
    contract: Annotated[
        str, typer.Option(help="A name of config/contracts or a YAML file; auto: that of the task's suite.")
    ] = defaults.AUTO,
    max_steps: Annotated[
        int, typer.Option(help="Longest episode, in control periods; 0: that of the task's suite.")
    ] = 0,
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
    from lossless_ros.simulation.collect import CollectConfig, with_defaults
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
    longest = with_defaults(config).max_steps
    lost: list[str] = []

    def on_progress(info: dict[str, Any]) -> None:
        shown.on_episode(info)
        if "unstable" in info:
            lost.append(f"seed {info['seed']} not recorded: {info['unstable']}")

    announce_collection(episodes, out, workers, image_format, longest)
    kept = f"finished episodes are kept in {out}; run the same command to go on"
    with Progress("collecting", None) as progress, keeping(lambda: kept):
        shown = EpisodeProgress(progress.update, episodes, longest)
        infos = run(config, on_progress, shown.on_steps)
    for line in lost:
        echo(line)
    successes = sum(info["success"] for info in infos)
    frames = sum(info["steps"] for info in infos)
    echo(f"{len(infos)} episodes in {out}, {successes} of them successful, {frames} frames")
    write_json(json, {"out": str(out), "n": len(infos), "successes": successes, "frames": frames, "episodes": infos})

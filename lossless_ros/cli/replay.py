"""`lossless replay`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Device, Hub, Json, Robot, Runtime, Weights, check_file
from lossless_ros.defaults import BUNDLE_HELP
from lossless_ros.progress import Progress, echo, write_json


def replay(
    bundle: Annotated[Path, typer.Option(help=f"The policy's bundle: {BUNDLE_HELP}.")],
    bag: Annotated[list[Path], typer.Option(help="A rosbag2 folder, or a folder of them; may be given several times.")],
    robot: Robot = "sim",
    device: Device = "auto",
    runtime: Runtime = "torch",
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page with the curves.", callback=check_file)
    ] = None,
) -> None:
    """Compare a policy with recorded runs: action error, gripper agreement, latency."""
    from lossless_ros.evaluation.replay import ReplayConfig
    from lossless_ros.evaluation.replay import replay as run

    config = ReplayConfig(
        bundle=bundle,
        bags=tuple(bag),
        robot=robot,
        device=device,
        runtime=runtime,
        weights=weights,
        allow_hub=allow_hub,
    )
    with Progress("replaying", None) as progress, keeping(lambda: "nothing is kept; run the same command again"):
        result = run(config, on_frames=progress.update)
    if result["trained_episodes"]:
        echo(f"{result['trained_episodes']} of {result['n']} episodes were trained on, so the errors are too small")
    for axis, error in result["action_error"].items():
        unit, zero = error["unit"], error["mae_of_zero"]
        worse = ", the policy is worse" if error["worse_than_zero"] else ""
        echo(f"{axis}: mean absolute error {error['mae']:.4f} {unit} (zero-action baseline: {zero:.4f} {unit}{worse})")
    if "gripper_agreement" in result:
        echo(f"gripper agrees in {100 * result['gripper_agreement']:.1f} % of {result['frames']} frames")
    left_out = ", ".join(f"{reason} ({count})" for reason, count in result["left_out_frames"].items())
    if left_out:
        echo(f"frames left out: {left_out}")
    for episode in result["episodes"]:
        if episode["fault"]:
            echo(f"{episode['path']} would be refused for training: {episode['fault']}")
    times = ", ".join(f"{name} {value:.1f} ms" for name, value in result["inference_ms"].items())
    echo(f"inference on {result['device']} ({result['runtime']}): {times}")
    write_json(json, result)
    if report is not None:
        from lossless_ros.evaluation.report import write_replay_report

        write_replay_report(report, result)
        echo(str(report))

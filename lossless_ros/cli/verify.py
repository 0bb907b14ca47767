"""`lossless verify`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.cli.options import Hub, Json, Robot, Weights
from lossless_ros.defaults import BUNDLE_HELP
from lossless_ros.progress import echo, write_json


def verify(
    bundle: Annotated[Path, typer.Option(help=f"The bundle to check: {BUNDLE_HELP}.")],
    bag: Annotated[
        Path | None, typer.Option(help="Compare outputs on its images; without it on synthetic ones.")
    ] = None,
    robot: Robot = "sim",
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
) -> None:
    """Prove that the backbone inside the adapted policy is unchanged, bit for bit."""
    from lossless_ros.evaluation.verify import verify as run
    from lossless_ros.evaluation.verify import verify_on_recording

    if bag is None:
        result = run(bundle, weights=weights, allow_hub=allow_hub)
    else:
        result = verify_on_recording(bundle, bag, robot, weights, allow_hub)
    for name, value in {"reason": result["reason"]}.items() if "reason" in result else result.items():
        echo(f"{name}: {value}")
    write_json(json, result)
    if not result["ok"]:
        raise typer.Exit(1)

"""`lossless verify`."""

from pathlib import Path
from typing import Annotated, Any

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
    for line in summary_lines(result):
        echo(line)
    write_json(json, result)
    if not result["ok"]:
        raise typer.Exit(1)


def summary_lines(result: dict[str, Any]) -> list[str]:
    """Return in three lines what was proved and how, or in one what is not so."""
    if not result["ok"]:
        return [f"not lossless: {', '.join(result['failures'])}"]
    images = result["images"]
    return [
        f"lossless: every parameter and buffer of {result['backbone']} has the bits of {result['source']} after the "
        f"policy has acted (fingerprint {result['fingerprint'][:12]})",
        f"with the adapters off, its outputs on {images['count']} {images['kind']} images equal timm's, bit for bit",
        f"{result['bundle']} holds nothing of the backbone and has {100 * result['bundle_share']:.2f} % of its size "
        f"(bottom and middle adapters: {100 * result['adapter_share']:.2f} % of its parameters)",
    ]

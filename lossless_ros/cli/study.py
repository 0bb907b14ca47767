"""`lossless study`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.cli.cost import announce_collection, announce_evaluation
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Json, Workers, check_folder
from lossless_ros.progress import echo, write_json


def study(
    study: Annotated[str, typer.Argument(help="A name of config/studies or a YAML file.")],
    folder: Annotated[
        Path, typer.Option(help="Folder for the results; the same command continues it.", callback=check_folder)
    ],
    only: Annotated[
        list[str] | None, typer.Option(help="A run to do; may be given several times. Default: all.")
    ] = None,
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Train and evaluate the policies of a study, and compare their success rates."""
    from lossless_ros.study.config import load_study
    from lossless_ros.study.runner import StudyFolder
    from lossless_ros.study.summary import table

    plan = load_study(study)
    evaluation = plan.evaluation
    count = len(plan.trainings(tuple(only or ()))) * len(evaluation.domains)
    announce_collection(
        plan.demonstrations.episodes * len(plan.tasks), folder, str(workers), "jpeg", plan.demonstrations.max_steps
    )
    announce_evaluation(evaluation.episodes, workers, evaluation.max_steps, count)
    kept = f"finished parts are kept in {folder}; run the same command to go on"
    with keeping(lambda: kept):
        summary = StudyFolder(plan, folder, workers, echo).run(tuple(only or ()))
    for line in table(summary):
        echo(line)
    write_json(json, summary)

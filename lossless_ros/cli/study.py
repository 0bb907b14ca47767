"""`lossless study`."""

from pathlib import Path
from typing import Annotated

import typer

from lossless_ros.cli.cost import announce_collection, announce_evaluation
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Hub, Json, Workers, check_folder
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
    allow_hub: Hub = False,
    json: Json = None,
) -> None:
    """Train and evaluate the policies of a study, and compare their success rates.

    Several processes may run the same study in one folder. Ends with status 1 if a policy failed.
    """
    from lossless_ros.study.config import load_study
    from lossless_ros.study.runner import StudyFolder
    from lossless_ros.study.summary import table

    plan, chosen = load_study(study), tuple(only or ())
    trainings = plan.trainings(chosen)
    for task in {training.task: training.plan for training in trainings}.values():
        count = task.demonstrations.episodes
        announce_collection(count, folder, str(workers), "jpeg", task.demonstrations.max_steps)
        policies = sum(training.task == task.task for training in trainings)
        evaluations = policies * len(task.evaluation.domains) * task.evaluation.checkpoints
        announce_evaluation(task.evaluation.episodes, workers, task.evaluation.max_steps, evaluations)
    kept = f"finished parts are kept in {folder}; run the same command to go on"
    with keeping(lambda: kept):
        summary = StudyFolder(plan, folder, workers, allow_hub, echo).run(chosen)
    for line in table(summary):
        echo(line)
    write_json(json, summary)
    if any(policy["run"] in chosen or not chosen for policy in summary["failed"]):
        raise typer.Exit(1)

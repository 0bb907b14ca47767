"""What can be wrong with a study is found before anything of it runs."""

from collections.abc import Iterable
from pathlib import Path

import torch

from lossless_ros.contract import load_contract
from lossless_ros.control.robot_limits import load_allowed_robot
from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.runtimes.registry import find_runtime
from lossless_ros.simulation.env import check_contract, check_world
from lossless_ros.simulation.episode import check_numbers
from lossless_ros.study.config import TaskPlan, Training
from lossless_ros.training import object_targets
from lossless_ros.training.hyperparameters import network_config
from lossless_ros.training.object_targets import wants_object_targets

ROBOT = "sim"  # who records the demonstrations


def check_trainings(trainings: Iterable[Training], allow_hub: bool) -> None:
    """Check tasks, domains, experts, contracts, weights and networks of the policies of a study.

    Every backbone is loaded once, from where its trainings will load it.

    Raises:
        LosslessError: something does not exist, or does not fit together.
    """
    trainings = list(trainings)
    for plan in {training.task: training.plan for training in trainings}.values():
        _check_plan(plan)
    sources = dict.fromkeys((training.run.backbone, training.run.weights) for training in trainings)
    for name, weights in sources:
        own = [t for t in trainings if (t.run.backbone, t.run.weights) == (name, weights)]
        try:
            backbone = load_backbone(name, Path(weights) if weights else None, allow_hub)
        except LosslessError as error:
            raise LosslessError(f"run {own[0].run_name}: {error}") from None
        for training in own:
            try:
                network_config(training.hyperparameters, training.run.mode, backbone)
                _check_training(training)
            except LosslessError as error:
                raise LosslessError(f"run {training.run_name}, {training.task}: {error}") from None


def _check_plan(plan: TaskPlan) -> None:
    shown, tested = plan.demonstrations, plan.evaluation
    contract = load_contract(plan.contract)
    check_contract(plan.task, contract)
    load_allowed_robot(ROBOT, contract)
    check_numbers(shown.episodes, shown.seed, shown.max_steps)
    check_numbers(tested.episodes, tested.seed, tested.max_steps)
    check_world(plan.task, shown.domain, shown.expert, shown.expert_noise or 0.0, shown.gripper_noise or 0.0)
    for domain in tested.domains:
        check_world(plan.task, domain)
    find_runtime(tested.runtime, torch.device("cpu"))


def _check_training(training: Training) -> None:
    collected = training.plan.demonstrations.episodes
    used = collected if training.run.episodes is None else training.run.episodes
    if not 2 <= used <= collected:
        raise LosslessError(f"{used} of {collected} demonstrations are used, expected at least 2 (one is held out)")
    if wants_object_targets(training.hyperparameters):
        object_targets.check_contract(load_contract(training.plan.contract), training.hyperparameters)

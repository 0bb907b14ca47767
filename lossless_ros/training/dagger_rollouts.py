"""The student drives, the expert says what it would have done: rosbag2 folders with the expert's actions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract
from lossless_ros.episodes.reader import read_info
from lossless_ros.episodes.sim_messages import observation_frame
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.simulation.episode import (
    MAX_STEPS,
    STEPS_AFTER_SUCCESS,
    Observation,
    episode_name,
    make_simulator,
    run_episode,
    stamp_of,
)
from lossless_ros.simulation.process_pool import run_parallel

SWITCH_INTERVAL = 10  # control steps for which student or expert drives: one alone would not get the gripper closed


@dataclass(frozen=True)
class RolloutConfig:
    """What to collect. The result does not depend on how many workers do it."""

    student: Path  # bundle
    student_hash: str
    task: str
    domain: str
    expert: str
    beta: float  # share of the stretches in which the expert drives
    out: Path
    contract: Contract
    runtime: str = "torch"
    max_steps: int = MAX_STEPS

    @property
    def key(self) -> dict[str, Any]:
        """What episodes in one folder have in common."""
        names = {"task": self.task, "domain": self.domain, "contract": self.contract.name}
        return {**names, "student": self.student_hash, "labelled": self.expert, "beta": self.beta}


def roll_out(
    plan: RolloutConfig, seeds: list[int], workers: int, on_progress: Callable[[dict[str, Any]], object]
) -> list[dict[str, Any]]:
    """Collect the episodes with these seeds; those that are there are kept.

    Returns:
        Their stored information. Seeds whose simulation goes unstable are left out.

    Raises:
        LosslessError: folder not writable or full, a worker died, or episodes of something else in the folder.
    """
    done = {}
    for seed in seeds:
        path = plan.out / episode_name(seed)
        if path.exists():
            done[seed] = info = read_info(path)
            other = [name for name, value in plan.key.items() if info.get(name) != value]
            if other:
                raise LosslessError(f"{path} was collected with another {other[0]}; give another folder")
            on_progress(info)
    todo = [seed for seed in seeds if seed not in done]
    if todo:
        for info in run_parallel(_episode, todo, min(workers, len(todo)), _setup, (plan,)):
            if "unstable" not in info:
                done[info["seed"]] = info
            on_progress(info)
    return [done[seed] for seed in seeds if seed in done]


_worker: dict[str, Any] = {}  # this process's plan, environment and student


def _setup(plan: RolloutConfig) -> None:
    import torch

    from lossless_ros.models.policy import load_policy

    torch.set_num_threads(1)  # the same sums in the same order, whatever the number of workers
    env = make_simulator(plan.task, plan.domain, plan.contract)
    _worker.update(plan=plan, env=env, student=load_policy(plan.student, "cpu", runtime=plan.runtime))


def _episode(seed: int) -> dict[str, Any]:
    """One episode's stored information; with `unstable`, and nothing recorded, if the simulation was lost."""
    from lossless_sim.errors import UnstableError

    try:
        return _recorded(seed)
    except UnstableError as error:
        return {"seed": seed, "unstable": str(error)}


def _recorded(seed: int) -> dict[str, Any]:
    """What was seen, with the expert's answers to it, whoever drove."""
    from lossless_sim.experts import make_expert

    plan, student = _worker["plan"], _worker["student"]
    expert = make_expert(plan.expert, plan.task, seed)
    expert.reset()
    turns = np.random.default_rng(seed).random(-(-plan.max_steps // SWITCH_INTERVAL)) < plan.beta

    def choose(step: int, observation: Observation, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        label = expert.act(observation, info)
        if turns[step // SWITCH_INTERVAL]:
            return label, label
        return label, student.act(observation_frame(plan.contract, stamp_of(step, plan.contract), observation))

    outcome = EpisodeResult(seed, plan.contract.period_ns / 1e9)
    with EpisodeWriter(plan.out / episode_name(seed), plan.contract) as writer:
        result = run_episode(
            *(_worker["env"], seed, choose, writer, outcome.update),
            max_steps=plan.max_steps,
            after_success=STEPS_AFTER_SUCCESS,
        )
        summary = {**plan.key, **outcome.result(), "draw": result["draw"], "version": __version__}
        writer.close(summary)
    return summary

"""DAgger's rollouts: the student acts, the expert labels every frame; recorded as rosbag2 folders."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT
from lossless_ros.episodes.reader import read_info
from lossless_ros.episodes.sim_messages import ObservationFrames
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.simulation.env import Info, Observation, UnstableEpisodeError, find_suite, make_expert, make_simulator
from lossless_ros.simulation.episode import STEPS_AFTER_SUCCESS, EpisodeEnd, episode_name, run_episode, stamp_of
from lossless_ros.simulation.process_pool import run_parallel

SWITCH_INTERVAL = 10  # control steps between draws of who acts: with shorter turns the gripper never gets to close


@dataclass(frozen=True)
class RolloutConfig:
    """What to collect. The episodes do not depend on the number of workers.

    Attributes:
        student: the bundle that acts, and `student_hash` its content hash.
        task, domain: where it acts.
        expert: who labels.
        beta: probability that the expert acts, drawn every SWITCH_INTERVAL steps.
        out: folder for the episodes.
        contract: of the student.
        runtime: inference runtime of the student.
        max_steps: length of an episode [control periods], also after success: a student can lose what it has stacked.
            0: as long as the task's episodes are.
    """

    student: Path
    student_hash: str
    task: str
    domain: str
    expert: str
    beta: float
    out: Path
    contract: Contract
    runtime: str = "torch"
    max_steps: int = 0

    @property
    def key(self) -> dict[str, Any]:
        """What episodes in one folder have in common."""
        names = {"task": self.task, "domain": self.domain, "contract": self.contract.name}
        return {**names, "student": self.student_hash, "labelled": self.expert, "beta": self.beta}


def collect_rollouts(
    config: RolloutConfig,
    seeds: list[int],
    workers: int,
    on_progress: Callable[[dict[str, Any]], object],
    on_steps: Callable[[int], object] = lambda count: None,
) -> list[dict[str, Any]]:
    """Collect the episodes with these seeds; those that exist are kept.

    Returns:
        Their stored information. Seeds whose physics diverges are left out.

    Raises:
        LosslessError: folder not writable or full, a worker died, or episodes of another job in the folder.
    """
    done = {}
    for seed in seeds:
        path = config.out / episode_name(seed)
        if path.exists():
            done[seed] = info = read_info(path)
            differing = [name for name, value in config.key.items() if info.get(name) != value]
            if differing:
                raise LosslessError(f"{path} was collected with different {differing[0]}; give another folder")
            on_progress(info)
    todo = [seed for seed in seeds if seed not in done]
    for info in run_parallel(partial(RolloutWorker, config), todo, workers, on_steps) if todo else ():
        if "unstable" not in info:
            done[info["seed"]] = info
        on_progress(info)
    return [done[seed] for seed in seeds if seed in done]


class RolloutWorker:
    """One process's environment and student; records the episode of a seed and returns its information."""

    def __init__(self, config: RolloutConfig) -> None:
        import torch

        from lossless_ros.models.policy import load_policy

        torch.set_num_threads(1)  # the same sums in the same order, whatever the number of workers
        self._config = config
        self._env = make_simulator(config.task, config.domain, config.contract)
        self._student = load_policy(config.student, "cpu", runtime=config.runtime)

    def __call__(self, seed: int) -> dict[str, Any]:
        """Record the episode; with `unstable`, and nothing recorded, if its physics diverged."""
        try:
            return self._record(seed)
        except UnstableEpisodeError as error:
            return {"seed": seed, "unstable": str(error)}

    def _record(self, seed: int) -> dict[str, Any]:
        """Record what the robot saw, with the expert's action as the label, whoever acted."""
        config, contract = self._config, self._config.contract
        expert = make_expert(config.expert, config.task, seed)
        suite = find_suite(config.task)
        expert_acts = np.random.default_rng(seed).random(-(-suite.max_steps // SWITCH_INTERVAL)) < config.beta
        frames = ObservationFrames(contract, suite.joint_names)

        def choose(step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]:
            label, frame = expert.act(observation, info), frames(stamp_of(step, contract), observation)
            if expert_acts[step // SWITCH_INTERVAL]:
                return label, label
            return label, self._student.act(frame)

        path = config.out / episode_name(seed)
        result = EpisodeResult(config.task, seed, contract.period_ns / 1e9)
        with EpisodeWriter(path, contract, DEFAULT_FORMAT, suite.has_object_poses, suite.joint_names) as writer:
            end = EpisodeEnd(config.max_steps or None, STEPS_AFTER_SUCCESS if suite.ends_at_success else None)
            episode = run_episode(self._env, seed, choose, end, writer, result.update)
            origin = {"image_format": DEFAULT_FORMAT, "draw": episode["draw"], "version": __version__}
            summary = {**config.key, **result.document(), **origin}
            writer.close(summary)
        return summary

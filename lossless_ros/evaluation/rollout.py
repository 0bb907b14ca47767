"""Closed-loop evaluation in simulation, in this process's children: seeded episodes, a rate and its interval."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.sim_messages import observation_frame
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult, count_stages
from lossless_ros.evaluation.statistics import percentiles, wilson_interval
from lossless_ros.evaluation.video import EpisodeVideo
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.runtimes.registry import find_runtime
from lossless_ros.simulation.episode import (
    MAX_STEPS,
    Observation,
    check_numbers,
    episode_name,
    make_simulator,
    run_episode,
    stamp_of,
)
from lossless_ros.simulation.expert_names import EXPERTS
from lossless_ros.simulation.process_pool import run_parallel


@dataclass(frozen=True)
class Trial:
    """What is evaluated where: a bundle's policy or an expert, on a task in a domain."""

    task: str
    domain: str
    contract: Contract
    bundle: Path | None = None
    expert: str | None = None
    videos: dict[int, Path] = field(default_factory=dict)  # by seed
    record: Path | None = None  # folder for a rosbag2 folder per episode
    max_steps: int = MAX_STEPS
    runtime: str = "torch"  # what runs the policy, one of models.runtimes.RUNTIMES
    expert_noise: float = 0.0


def evaluate(
    task: str | None,
    domain: str,
    episodes: int,
    seed: int,
    bundle: Path | None = None,
    expert: str | None = None,
    workers: int = 1,
    videos: dict[int, Path] | None = None,
    record: Path | None = None,
    max_steps: int = MAX_STEPS,
    runtime: str = "torch",
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
    expert_noise: float = 0.0,
) -> dict[str, Any]:
    """Success at the end of `episodes` episodes with seeds from `seed` on; the same for any number of workers.

    `films` says of which seeds to write films where (.mp4); `record` is a folder for what was driven, a rosbag2 folder
    per episode; noise disturbs experts alone.

    Returns:
        task, domain, n, successes, success_rate, interval_95 (Wilson), phases (how many episodes came how far), seeds,
        episodes (by seed: see `outcome.EpisodeResult`), and who drove.

    Raises:
        LosslessError: neither or both of bundle and expert, or one of the names is wrong.
    """
    videos = videos or {}
    task = check(task, domain, episodes, seed, bundle, expert, videos, runtime, expert_noise, max_steps)
    contract = load_contract("rgb_stacking") if bundle is None else read_bundle(bundle).contract
    trial = Trial(task, domain, contract, bundle, expert, videos, record, max_steps, runtime, expert_noise)
    seeds = list(range(seed, seed + episodes))
    results = []
    for result in run_parallel(_episode, seeds, min(workers, episodes), _setup, (trial,)):
        results.append(result)
        on_progress(result)
    return summarize(trial.task, trial.domain, results) | {
        "bundle": bundle and str(bundle),
        "expert": expert,
        "runtime": None if bundle is None else runtime,
        "expert_noise": expert_noise,
        "over_ros": False,
        "version": __version__,
    }


def summarize(task: str, domain: str, episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """The evaluation document of finished episodes (each with seed and success)."""
    episodes = sorted(episodes, key=lambda episode: episode["seed"])
    successes = sum(episode["success"] for episode in episodes)
    n = len(episodes)
    return {
        "task": task,
        "domain": domain,
        "n": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval_95": list(wilson_interval(successes, n)),
        "phases": count_stages(episodes),
        "seeds": [episode["seed"] for episode in episodes],
        "episodes": episodes,
    }


def check(
    task: str | None,
    domain: str,
    episodes: int,
    seed: int,
    bundle: Path | None,
    expert: str | None,
    videos: dict[int, Path],
    runtime: str,
    expert_noise: float,
    max_steps: int = MAX_STEPS,
) -> str:
    """Tell mistakes in the arguments of `evaluate` before anything starts; returns the task.

    Raises:
        LosslessError: with the one line that says what is wrong (SimError for names that only the simulator knows).
    """
    task = _check_driver(task, bundle, expert)
    check_numbers(episodes, seed, max_steps)
    _check_videos(videos, seed, episodes)
    check_world(task, domain)
    if expert is not None:
        from lossless_sim.experts import Noise, make_expert

        make_expert(expert, task, seed)
        Noise(expert_noise, seed)
    elif expert_noise:
        raise LosslessError("--expert-noise disturbs an expert: give it with --expert, not with --bundle")
    elif runtime != "torch":
        import torch

        try:
            find_runtime(runtime, torch.device("cpu"))
        except LosslessError as error:
            raise LosslessError(f"without --over-ros policies are evaluated on the CPU: {error}") from None
    return task


def _check_driver(task: str | None, bundle: Path | None, expert: str | None) -> str:
    """The task to evaluate: the given one, else the bundle's own."""
    if (bundle is None) == (expert is None):
        raise LosslessError(f"give either --bundle FILE or --expert NAME ({EXPERTS})")
    if bundle is not None:
        return task or read_bundle(bundle).task
    if task is None:
        raise LosslessError("an expert needs --task suite/name, for example rgb_stacking/triplet1")
    return task


def _check_videos(videos: dict[int, Path], seed: int, episodes: int) -> None:
    """LosslessError for a film of an episode that is not evaluated, or in no film's file."""
    for chosen, path in videos.items():
        if not seed <= chosen < seed + episodes:
            raise LosslessError(f"no episode with seed {chosen} to film; seeds are {seed} to {seed + episodes - 1}")
        if path.suffix != ".mp4" or not path.parent.is_dir():
            raise LosslessError(
                f"cannot write the video {path}; expected an existing folder, or a file in one that ends in .mp4"
            )


def check_world(task: str, domain: str) -> None:
    """Unknown tasks and domains are told before any process starts (SimError)."""
    from lossless_sim.domains import load_domain
    from lossless_sim.tasks import task as find_task

    find_task(task)
    load_domain(domain)


_worker: dict[str, Any] = {}  # this process's trial, environment and driver


def _setup(trial: Trial) -> None:
    looks = trial.bundle is not None or bool(trial.videos) or trial.record is not None
    env = make_simulator(trial.task, trial.domain, trial.contract, images=looks)
    _worker.update(trial=trial, env=env, drive=_driver(trial))


def _driver(trial: Trial) -> Callable[[int, int, Observation, dict[str, Any]], np.ndarray]:
    """A function (seed, step, observation, info) -> action (dim,)."""
    if trial.bundle is not None:
        import torch

        from lossless_ros.models.policy import load_policy

        torch.set_num_threads(1)  # the same sums in the same order, whatever the number of workers
        policy = load_policy(trial.bundle, device="cpu", runtime=trial.runtime)

        def drive_policy(seed: int, step: int, observation: Observation, info: dict[str, Any]) -> np.ndarray:
            return policy.act(observation_frame(trial.contract, stamp_of(step, trial.contract), observation))

        return drive_policy

    from lossless_sim.experts import Expert, Noise, make_expert

    spec = trial.expert
    assert spec is not None
    drivers: dict[int, tuple[Expert, Noise]] = {}

    def drive_expert(seed: int, step: int, observation: Observation, info: dict[str, Any]) -> np.ndarray:
        if step == 0:
            drivers.clear()
            drivers[seed] = make_expert(spec, trial.task, seed), Noise(trial.expert_noise, seed)
            drivers[seed][0].reset()
        expert, noise = drivers[seed]
        return noise(expert.act(observation, info))

    return drive_expert


def _episode(seed: int) -> dict[str, Any]:
    """One whole episode: its outcome, and the driver's time per step [ms]; `unstable` if the simulation was lost."""
    from lossless_sim.errors import UnstableError

    outcome = EpisodeResult(seed, _worker["trial"].contract.period_ns / 1e9)
    times: list[float] = []
    try:
        _drive(seed, outcome, times)
    except UnstableError as error:
        return {**outcome.result(), "success": False, "unstable": str(error)}
    return {**outcome.result(), "driver_ms": percentiles(times)}


def _drive(seed: int, outcome: EpisodeResult, times: list[float]) -> None:
    """Drive the episode; `outcome` and `times` [ms] fill as it goes. What is recorded of a lost one is discarded."""
    trial, drive = _worker["trial"], _worker["drive"]
    period_s = trial.contract.period_ns / 1e9
    film = EpisodeVideo(trial.videos[seed], trial.contract, 1 / period_s) if seed in trial.films else None
    bag = EpisodeWriter(trial.record / episode_name(seed), trial.contract) if trial.record else None

    def choose(step: int, observation: Observation, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        begin = time.perf_counter()
        action = drive(seed, step, observation, info)
        times.append(1e3 * (time.perf_counter() - begin))
        if film:
            images = [observation[camera.name] for camera in trial.contract.cameras]
            film.add(images, action, f"seed {seed}  {step * period_s:5.2f} s  {outcome.phase}")
        return action, action

    with bag or contextlib.nullcontext():
        result = run_episode(_worker["env"], seed, choose, bag, outcome.update, max_steps=trial.max_steps)
        if bag:
            about = {"task": trial.task, "domain": trial.domain, "contract": trial.contract.name}
            bag.close({**about, "draw": result["draw"], "version": __version__, **outcome.result()})
    if film:
        film.close()

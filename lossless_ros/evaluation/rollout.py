"""Closed-loop evaluation in simulation: seeded episodes in worker processes, success rate and its interval."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__, defaults
from lossless_ros.contract import Contract, load_contract
from lossless_ros.defaults import EXPERTS_HELP
from lossless_ros.episodes.sim_messages import ObservationFrames
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult, count_stages
from lossless_ros.evaluation.statistics import percentiles, wilson_interval
from lossless_ros.evaluation.training_seeds import refuse_trained, trained_seeds
from lossless_ros.evaluation.video import EpisodeVideo
from lossless_ros.files import check_folder_writable, check_writable
from lossless_ros.models.bundle import read_bundle, with_execution
from lossless_ros.simulation.env import (
    Info,
    Observation,
    UnstableEpisodeError,
    check_contract,
    check_world,
    find_suite,
    given_or_of_suite,
    make_expert,
    make_noise,
    make_simulator,
)
from lossless_ros.simulation.episode import EpisodeEnd, check_numbers, episode_name, run_episode, stamp_of
from lossless_ros.simulation.process_pool import run_parallel


@dataclass(frozen=True)
class EvalConfig:
    """What to evaluate where: a bundle's policy, or an expert.

    Attributes:
        task: suite/name; None for the bundle's own task.
        bundle, expert: who acts; give one of them. A bundle is a file or the name of a shipped one; experts:
            scripted, reactive, random, specialist:PATH.
        episodes, seed: the episodes with seeds `seed` to `seed + episodes - 1`.
        allow_training_seeds: whether episodes that the bundle was trained on may be among them.
        domain: a name of config/domains or a YAML file; auto: that of the task's suite.
        workers: processes; the result does not depend on their number.
        runtime: inference runtime of the policy, one of `models.runtimes.registry.RUNTIMES`.
        execution: which of the predicted actions are executed, see `models.execution`; None for what the bundle says.
        expert_noise: noise on what an expert executes, as a share of the action limits (0 to 1).
        weights: local file with the backbone's weights; None for where the bundle says.
        allow_hub: whether weights may be downloaded.
        max_steps: longest episode [control periods]; 0: as long as the task's episodes are.
        record: folder for a rosbag2 folder per episode.
        videos: output path (.mp4) per seed.
    """

    task: str | None = None
    bundle: Path | str | None = None
    expert: str | None = None
    episodes: int = 50
    seed: int = defaults.EVAL_SEED
    allow_training_seeds: bool = False
    domain: str = defaults.AUTO
    workers: int = 1
    runtime: str = "torch"
    execution: str | None = None
    expert_noise: float = 0.0
    weights: Path | None = None
    allow_hub: bool = False
    max_steps: int = 0
    record: Path | None = None
    videos: Mapping[int, Path] = field(default_factory=dict)

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.episodes)

    @property
    def task_name(self) -> str:
        """The task that is evaluated."""
        if self.task is not None:
            return self.task
        assert self.bundle is not None, "an expert needs a task; see `check`"
        return read_bundle(self.bundle).task

    @property
    def contract(self) -> Contract:
        """What the policy sees and does; for an expert, what is recorded."""
        if self.bundle is None:
            return load_contract(find_suite(self.task_name).contract)
        return read_bundle(self.bundle).contract


def evaluate(
    config: EvalConfig,
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
    on_steps: Callable[[int], object] = lambda count: None,
) -> dict[str, Any]:
    """Evaluate success at the end of each episode.

    Args:
        config: the job.
        on_progress: called with the result of every episode.
        on_steps: called about twice a second with the number of new control periods.

    Returns:
        task, domain, n, successes, success_rate, interval_95 (Wilson), phases (how many episodes reached each stage),
        seeds, episodes (by seed: see `EpisodeResult.document`), and who acted how.

    Raises:
        LosslessError: neither or both of bundle and expert, a wrong name or number, or episodes that were trained on.
    """
    config = check(config)
    results = []
    for result in run_parallel(partial(EvalWorker, config), config.seeds, config.workers, on_steps):
        results.append(result)
        on_progress(result)
    return summarize(config.task_name, config.domain, results) | {
        "bundle": config.bundle and str(config.bundle),
        "expert": config.expert,
        "runtime": None if config.bundle is None else config.runtime,
        **describe_policy(config),
        "expert_noise": config.expert_noise,
        "over_ros": False,
        "version": __version__,
    }


def describe_policy(config: EvalConfig) -> dict[str, Any]:
    """Return the document's fields about the bundle, each None for an expert.

    Returns:
        execution: the one that is evaluated; bundle_execution: the bundle's own; trained_seeds: how many of the
        episodes were among the training data, None if the bundle does not say; allow_training_seeds: as in `config`.

    Raises:
        LosslessError: there is no such execution, or it does not fit the bundle's chunks.
    """
    if config.bundle is None:
        if config.execution is not None:
            raise LosslessError("--execution is of a policy: give it with --bundle, not with --expert")
        return {"execution": None, "bundle_execution": None, "trained_seeds": None, "allow_training_seeds": None}
    bundle = read_bundle(config.bundle)
    used = bundle if config.execution is None else with_execution(bundle, config.execution)
    trained = trained_seeds(bundle, config.task_name, config.domain, config.seeds)
    return {
        "execution": str(used.execution),
        "bundle_execution": str(bundle.execution),
        "trained_seeds": None if trained is None else len(trained),
        "allow_training_seeds": config.allow_training_seeds,
    }


def summarize(task: str, domain: str, episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the evaluation document of finished episodes (documents of `EpisodeResult`)."""
    episodes = sorted(episodes, key=lambda episode: episode["seed"])
    successes = sum(episode["success"] for episode in episodes)
    n = len(episodes)
    stages = find_suite(task).stages
    return {
        "task": task,
        "domain": domain,
        "n": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval_95": list(wilson_interval(successes, n)),
        "phases": count_stages(episodes, stages),
        "seeds": [episode["seed"] for episode in episodes],
        "episodes": episodes,
    }


def check(config: EvalConfig) -> EvalConfig:
    """Check `config` before anything starts and return it with its task filled in.

    Raises:
        LosslessError: neither or both of bundle and expert, a wrong name or number, or episodes that were trained on.
    """
    if (config.bundle is None) == (config.expert is None):
        raise LosslessError(f"give either --bundle FILE or --expert NAME ({EXPERTS_HELP})")
    if config.bundle is None and config.task is None:
        raise LosslessError("an expert needs --task suite/name, for example rgb_stacking/triplet1")
    if config.bundle is not None:
        config = dataclasses.replace(config, bundle=Path(config.bundle))
    config = with_defaults(config)
    check_numbers(config.episodes, config.seed, config.max_steps)
    _check_videos(config)
    _check_record(config)
    check_world(config.task_name, config.domain, config.expert, config.expert_noise)
    check_contract(config.task_name, config.contract)
    describe_policy(config)
    check_training_seeds(config)
    if config.bundle is not None and config.expert_noise:
        raise LosslessError("--expert-noise disturbs an expert: give it with --expert, not with --bundle")
    if config.bundle is not None and config.runtime != "torch":
        _check_runtime(config.runtime)
    return config


def with_defaults(config: EvalConfig) -> EvalConfig:
    """Return the job with its task, and with the suite's values in place of auto and 0 steps.

    Raises:
        LosslessError: unknown task, or the simulator is not installed.
    """
    suite = find_suite(config.task_name)
    return dataclasses.replace(
        config,
        task=config.task_name,
        domain=given_or_of_suite(config.domain, suite.domain),
        max_steps=config.max_steps or suite.max_steps,
    )


def check_training_seeds(config: EvalConfig) -> None:
    """Refuse episodes that the bundle was trained on, unless `config` allows them.

    Raises:
        LosslessError: there are such episodes.
    """
    if config.bundle is None or config.allow_training_seeds:
        return
    trained = trained_seeds(read_bundle(config.bundle), config.task_name, config.domain, config.seeds)
    refuse_trained(trained or (), config.episodes, str(config.bundle), config.domain)


def _check_runtime(runtime: str) -> None:
    import torch

    from lossless_ros.models.runtimes.registry import find_runtime

    try:
        find_runtime(runtime, torch.device("cpu"))
    except LosslessError as error:
        raise LosslessError(f"without --over-ros policies are evaluated on the CPU: {error}") from None


def _check_videos(config: EvalConfig) -> None:
    """Refuse a video of an episode that is not evaluated, or a path that is no video file."""
    for seed, path in config.videos.items():
        if seed not in config.seeds:
            raise LosslessError(
                f"no episode with seed {seed} to film; seeds are {config.seeds[0]} to {config.seeds[-1]}"
            )
        if path.suffix != ".mp4" or not path.parent.is_dir():
            raise LosslessError(
                f"cannot write the video {path}; expected an existing folder, or a file in one that ends in .mp4"
            )
        check_writable(path)


def _check_record(config: EvalConfig) -> None:
    """Refuse a folder for recordings that cannot be written, or that has one of the episodes already."""
    if config.record is None:
        return
    check_folder_writable(Path(config.record))
    for seed in config.seeds:
        if (path := Path(config.record) / episode_name(seed)).exists():
            raise LosslessError(f"{path} exists already; give another --record, or other episodes with --seed")


class EvalWorker:
    """One process's environment and policy; runs the episode of a seed and returns its result."""

    def __init__(self, config: EvalConfig) -> None:
        self._config, self._contract, self._suite = config, config.contract, find_suite(config.task_name)
        needs_images = config.bundle is not None or bool(config.videos) or config.record is not None
        self._env = make_simulator(config.task_name, config.domain, self._contract, images=needs_images)
        self._policy: Any = None
        if config.bundle is not None:
            import torch

            from lossless_ros.models.policy import load_policy

            torch.set_num_threads(1)  # the same sums in the same order, whatever the number of workers
            self._policy = load_policy(
                Path(config.bundle),
                device="cpu",
                weights=config.weights,
                runtime=config.runtime,
                allow_hub=config.allow_hub,
                execution=config.execution,
            )

    def __call__(self, seed: int) -> dict[str, Any]:
        """Return the episode's result and the time per action [ms]; with `unstable` if its physics diverged."""
        result = EpisodeResult(self._config.task_name, seed, self._contract.period_ns / 1e9)
        times: list[float] = []
        try:
            self._run(seed, result, times)
        except UnstableEpisodeError as error:
            return {**result.document(), "success": False, "unstable": str(error)}
        return {**result.document(), "driver_ms": percentiles(times)}

    def _run(self, seed: int, result: EpisodeResult, times: list[float]) -> None:
        """Run the episode; fills `result` and `times` [ms] as it goes. A recording of a lost one is discarded."""
        config, contract = self._config, self._contract
        period_s = contract.period_ns / 1e9
        video = EpisodeVideo(config.videos[seed], contract, 1 / period_s) if seed in config.videos else None
        bag = self._recorder(seed)
        act = self._policy_actions() if config.bundle is not None else self._expert(seed)

        def choose(step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]:
            started = time.perf_counter()
            action = act(step, observation, info)
            times.append(1e3 * (time.perf_counter() - started))
            if video:
                images = [observation[camera.name] for camera in contract.cameras]
                video.add(images, action, f"seed {seed}  {step * period_s:5.2f} s  {result.stage}")
            return action, action

        with bag or contextlib.nullcontext():
            end = EpisodeEnd(config.max_steps, 1 if self._suite.ends_at_success else None)
            episode = run_episode(self._env, seed, choose, end, bag, result.update)
            if bag:
                names = {"task": config.task_name, "domain": config.domain, "contract": contract.name}
                bag.close({**names, "draw": episode["draw"], "version": __version__, **result.document()})
        if video:
            video.close()

    def _recorder(self, seed: int) -> EpisodeWriter | None:
        if self._config.record is None:
            return None
        path, joints = Path(self._config.record) / episode_name(seed), self._suite.joint_names
        return EpisodeWriter(path, self._contract, joint_names=joints)

    def _policy_actions(self) -> Callable[[int, Observation, Info], np.ndarray]:
        """Return a function that gives the policy's action."""
        contract, frames = self._contract, ObservationFrames(self._contract, self._suite.joint_names)
        return lambda step, observation, info: self._policy.act(frames(stamp_of(step, contract), observation))

    def _expert(self, seed: int) -> Callable[[int, Observation, Info], np.ndarray]:
        """Return a function that gives the expert's executed action, with its noise."""
        assert self._config.expert is not None
        expert = make_expert(self._config.expert, self._config.task_name, seed)
        noise = make_noise(self._config.task_name, self._config.expert_noise, seed)
        return lambda step, observation, info: noise(expert.act(observation, info))

"""Collect demonstrations: an expert acts in simulation, every episode becomes a rosbag2 folder named by its seed."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__, defaults
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT, check_image_format
from lossless_ros.episodes.reader import read_info
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.files import atomic_folder
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
from lossless_ros.simulation.episode import (
    STEPS_AFTER_SUCCESS,
    EpisodeEnd,
    check_numbers,
    episode_name,
    run_episode,
)
from lossless_ros.simulation.process_pool import check_workers, run_parallel
from lossless_ros.simulation.ray_pool import run_on_ray

# of episodes from before there was a choice
_DEFAULTS = {"expert_noise": 0.0, "gripper_noise": 0.0, "image_format": "raw"}


@dataclass(frozen=True)
class CollectConfig:
    """What to collect where. The episodes do not depend on the number of workers.

    Attributes:
        task: suite/name.
        out: folder for the episodes; those that exist are kept.
        episodes, seed: the episodes with seeds `seed` to `seed + episodes - 1`.
        domain: a name of config/domains or a YAML file; auto, here and below: that of the task's suite.
        expert: scripted, reactive, random or specialist:PATH.
        expert_noise: noise on executed actions, as a share of their limits (0 to 1); the expert's own action is
            recorded as the label. None: that of the task's suite.
        gripper_noise: how often per second the executed gripper command is inverted for a moment (0 to 1);
            None: that of the task's suite.
        contract: a name of config/contracts or a YAML file.
        workers: processes on this machine, or `ray` or `ray://HOST:PORT` for the cores of a Ray cluster.
        max_steps: longest episode [control periods]; 0: as long as the task's episodes are.
        image_format: jpeg or png (without loss), or raw: not compressed.
    """

    task: str
    out: Path
    episodes: int = 1
    seed: int = 0
    domain: str = defaults.AUTO
    expert: str = "scripted"
    expert_noise: float | None = 0.0
    gripper_noise: float | None = 0.0
    contract: str = defaults.AUTO
    workers: int | str = 1
    max_steps: int = 0
    image_format: str = DEFAULT_FORMAT


def with_defaults(config: CollectConfig) -> CollectConfig:
    """Return the job with the suite's values in place of auto, None and 0 steps.

    Raises:
        LosslessError: unknown task, or the simulator is not installed.
    """
    suite = find_suite(config.task)
    names = ("domain", "expert", "expert_noise", "gripper_noise", "contract")
    values = {name: given_or_of_suite(getattr(config, name), getattr(suite, name)) for name in names}
    return replace(config, max_steps=config.max_steps or suite.max_steps, **values)


def collect(
    config: CollectConfig,
    on_progress: Callable[[dict[str, Any]], None] = lambda info: None,
    on_steps: Callable[[int], object] = lambda count: None,
) -> list[dict[str, Any]]:
    """Collect the episodes of `config`.

    Returns:
        The stored information of each episode, by seed; `on_progress` gets each as it is finished. An episode whose
        physics diverged is neither recorded nor returned; `on_progress` gets it with the reason as `unstable`.
        `on_steps` gets the number of new control periods about twice a second, on a cluster after every episode.

    Raises:
        LosslessError: wrong argument, folder not writable or full, or episodes of another job in it.
    """
    check_image_format(config.image_format)
    config = with_defaults(config)
    check_numbers(config.episodes, config.seed, config.max_steps)
    workers = check_workers(config.workers)
    recorder = DemonstrationRecorder(config, contract := load_contract(config.contract))
    check_contract(config.task, contract)
    check_world(config.task, config.domain, config.expert, config.expert_noise or 0.0, config.gripper_noise or 0.0)
    prepare_folder(Path(config.out))
    done: dict[int, dict[str, Any]] = {}
    seeds = range(config.seed, config.seed + config.episodes)
    for seed in seeds:
        if recorder.folder(seed).exists():
            done[seed] = recorder.existing(seed)
            on_progress(done[seed])
    todo = [seed for seed in seeds if seed not in done]
    for info in _collected(recorder, todo, workers, on_steps) if todo else ():
        if "unstable" not in info:
            done[info["seed"]] = info
        on_progress(info)
    return [done[seed] for seed in sorted(done)]


@dataclass(frozen=True)
class DemonstrationRecorder:
    """Where the demonstrations of a job go, and what they have in common; its `config` is `with_defaults`."""

    config: CollectConfig
    contract: Contract

    def folder(self, seed: int) -> Path:
        return Path(self.config.out) / episode_name(seed)

    @property
    def key(self) -> dict[str, Any]:
        """What episodes in one folder have in common."""
        names = ("task", "domain", "expert", "expert_noise", "gripper_noise", "image_format")
        return {**{name: getattr(self.config, name) for name in names}, "contract": self.contract.name}

    def existing(self, seed: int) -> dict[str, Any]:
        """Return the information of an episode that exists.

        Raises:
            LosslessError: it is of another job.
        """
        info = read_info(self.folder(seed))
        for key, value in self.key.items():
            found = info.get(key, _DEFAULTS.get(key))
            if found != value:
                raise LosslessError(
                    f"{self.folder(seed)} has {key} {found!r}, not {value!r}; give another --out for these episodes, "
                    f"or --{key.replace('_', '-')} {found}"
                )
        return info


class CollectWorker:
    """One process's environment; records the episode of a seed and returns its information."""

    def __init__(self, recorder: DemonstrationRecorder) -> None:
        self._recorder = recorder
        self._env = make_simulator(recorder.config.task, recorder.config.domain, recorder.contract)

    def __call__(self, seed: int) -> dict[str, Any]:
        """Record the episode; with `unstable`, and nothing recorded, if its physics diverged."""
        return self.record(seed, self._recorder)

    def record(self, seed: int, recorder: DemonstrationRecorder) -> dict[str, Any]:
        """Record the episode where `recorder` says."""
        try:
            return self._record(seed, recorder)
        except UnstableEpisodeError as error:
            return {"seed": seed, "steps": 0, "success": False, "unstable": str(error)}

    def _record(self, seed: int, recorder: DemonstrationRecorder) -> dict[str, Any]:
        config = recorder.config
        expert = make_expert(config.expert, config.task, seed)
        noise = make_noise(config.task, config.expert_noise or 0.0, seed, config.gripper_noise or 0.0)

        def choose(step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]:
            action = expert.act(observation, info)
            return action, noise(action)

        path = recorder.folder(seed)
        suite = find_suite(config.task)
        privileged, joints = suite.has_object_poses, suite.joint_names
        with EpisodeWriter(path, recorder.contract, config.image_format, privileged, joints) as writer:
            end = EpisodeEnd(config.max_steps, STEPS_AFTER_SUCCESS)
            result = run_episode(self._env, seed, choose, end, writer)
            summary = {**recorder.key, "seed": seed, **result, "version": __version__}
            writer.close(summary)
        return summary


class RemoteCollectWorker(CollectWorker):
    """Records on a machine that does not see the folder; returns the information and the episode's files by name."""

    def __call__(self, seed: int) -> Any:
        with tempfile.TemporaryDirectory(prefix="lossless_") as folder:
            here = replace(self._recorder, config=replace(self._recorder.config, out=Path(folder)))
            info = self.record(seed, here)
            files = {path.name: path.read_bytes() for path in Path(folder).glob(f"{episode_name(seed)}/*")}
        return info, files


def _collected(
    recorder: DemonstrationRecorder, seeds: list[int], workers: int | str, on_steps: Callable[[int], object]
) -> Iterator[dict[str, Any]]:
    """Yield the information of each episode as soon as it is in its place."""
    if isinstance(workers, int):
        yield from run_parallel(partial(CollectWorker, recorder), seeds, workers, on_steps)
        return
    for info, files in run_on_ray(partial(RemoteCollectWorker, recorder), seeds, workers):
        if "unstable" not in info:
            _store(recorder.folder(info["seed"]), files)
        on_steps(info["steps"])
        yield info


def _store(path: Path, files: dict[str, bytes]) -> None:
    """Write the files of an episode that was recorded elsewhere, all or nothing."""
    try:
        with atomic_folder(path) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


def prepare_folder(out: Path) -> None:
    """Make the folder and remove what killed processes left half-written.

    Raises:
        LosslessError: it cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LosslessError(f"cannot make the folder {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise LosslessError(f"cannot write into {out}: permission denied")
    for part in out.glob(".episode_*.part"):
        match = re.fullmatch(r"\.episode_\w+\.(\d+)\.part", part.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(part, ignore_errors=True)

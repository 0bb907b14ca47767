"""Collects episodes in simulation: an expert drives, every episode becomes a rosbag2 folder named by its seed."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.reader import read_info
from lossless_ros.episodes.writer import EpisodeWriter, write_whole
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.episode import (
    MAX_STEPS,
    STEPS_AFTER_SUCCESS,
    Observation,
    check_numbers,
    episode_name,
    make_simulator,
    run_episode,
)
from lossless_ros.simulation.process_pool import check_workers, run_parallel
from lossless_ros.simulation.ray_pool import run_on_ray


@dataclass(frozen=True)
class Collection:
    """What to collect. The result does not depend on how many workers do it."""

    task: str
    domain: str
    expert: str
    out: Path
    contract: Contract
    max_steps: int
    expert_noise: float = 0.0

    def folder(self, seed: int) -> Path:
        return self.out / episode_name(seed)

    @property
    def key(self) -> dict[str, Any]:
        """What episodes in one folder have in common."""
        return {
            "task": self.task,
            "domain": self.domain,
            "expert": self.expert,
            "contract": self.contract.name,
            "expert_noise": self.expert_noise,
        }


def collect(
    task: str,
    episodes: int,
    seed: int,
    domain: str,
    out: Path,
    expert: str = "scripted",
    contract: str = "rgb_stacking",
    workers: int | str = 1,
    max_steps: int = MAX_STEPS,
    on_progress: Callable[[dict[str, Any]], None] = lambda info: None,
    expert_noise: float = 0.0,
) -> list[dict[str, Any]]:
    """Collect the episodes with seeds `seed` to `seed + episodes - 1` into `out`; those that are there are kept.

    Args:
        workers: processes on this machine, or `ray` or `ray://HOST:PORT` for the cores of a Ray cluster.
        expert_noise: disturbs what is executed, as a share of the action limits; the bag holds what the expert
            wanted, which is what is to be learnt.

    Returns:
        The stored information of each episode, by seed; `on_progress` gets them as they are finished. An episode whose
        simulation went unstable is not recorded and not returned; `on_progress` gets it with the reason as `unstable`.

    Raises:
        LosslessError: wrong argument, folder not writable or full, or episodes of something else in it.
    """
    check_numbers(episodes, seed, max_steps)
    workers = check_workers(workers)
    plan = Collection(task, domain, expert, out, load_contract(contract), max_steps, expert_noise)
    _check_names(plan)
    _prepare(out)
    done: dict[int, dict[str, Any]] = {}
    for number in range(seed, seed + episodes):
        if plan.folder(number).exists():
            done[number] = _existing(plan, number)
            on_progress(done[number])
    todo = [number for number in range(seed, seed + episodes) if number not in done]
    if todo:
        for info in _collected(plan, todo, workers):
            if "unstable" not in info:
                done[info["seed"]] = info
            on_progress(info)
    return [done[number] for number in sorted(done)]


def _collected(plan: Collection, seeds: list[int], workers: int | str) -> Iterator[dict[str, Any]]:
    """The information of each episode as soon as it is in its place."""
    if isinstance(workers, int):
        yield from run_parallel(_record, seeds, min(workers, len(seeds)), _setup, (plan,))
        return
    for info, files in run_on_ray(_record_and_send, seeds, workers, _setup, (plan,)):
        if "unstable" not in info:
            write_whole(plan.folder(info["seed"]), files)
        yield info


def _check_names(plan: Collection) -> None:
    """Unknown tasks, domains and experts are told before any process starts (SimError)."""
    from lossless_sim.domains import load_domain
    from lossless_sim.experts import Noise, make_expert

    make_expert(plan.expert, plan.task, 0)
    Noise(plan.expert_noise, 0)
    load_domain(plan.domain)


def _prepare(out: Path) -> None:
    """Make the folder and clear what killed collections left half-written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LosslessError(f"cannot make the folder {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise LosslessError(f"cannot write into {out}: permission denied")
    for part in out.glob(".episode_*.part"):
        match = re.fullmatch(r"\.episode_\d+\.(\d+)\.part", part.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(part, ignore_errors=True)


def _existing(plan: Collection, seed: int) -> dict[str, Any]:
    info = read_info(plan.folder(seed))
    for key, value in plan.key.items():
        found = info.get(key, 0.0 if key == "expert_noise" else None)
        if found != value:
            raise LosslessError(
                f"{plan.folder(seed)} has {key} {found!r}, not {value!r}; give another --out for these episodes"
            )
    return info


_worker: dict[str, Any] = {}  # this process's plan, environment and expert


def _setup(plan: Collection) -> None:
    _worker.update(plan=plan, env=make_simulator(plan.task, plan.domain, plan.contract))


def _record(seed: int) -> dict[str, Any]:
    """Record one episode and return its information; with `unstable`, and nothing recorded, if it cannot be used."""
    from lossless_sim.errors import UnstableError

    try:
        return _recorded(seed)
    except UnstableError as error:
        return {"seed": seed, "steps": 0, "success": False, "unstable": str(error)}


def _recorded(seed: int) -> dict[str, Any]:
    from lossless_sim.experts import Noise, make_expert

    plan = _worker["plan"]
    expert, noise = make_expert(plan.expert, plan.task, seed), Noise(plan.expert_noise, seed)
    expert.reset()

    def choose(step: int, observation: Observation, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        action = expert.act(observation, info)
        return action, noise(action)

    with EpisodeWriter(plan.folder(seed), plan.contract) as writer:
        result = run_episode(
            *(_worker["env"], seed, choose, writer),
            max_steps=plan.max_steps,
            after_success=STEPS_AFTER_SUCCESS,
        )
        summary = {**plan.key, "seed": seed, **result, "version": __version__}
        writer.close(summary)
    return summary


def _record_and_send(seed: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Record one episode on a machine that does not see the folder: its information, and its files by name."""
    plan = _worker["plan"]
    with tempfile.TemporaryDirectory(prefix="lossless_") as folder:
        _worker["plan"] = replace(plan, out=Path(folder))
        try:
            info = _record(seed)
        finally:
            _worker["plan"] = plan
        return info, {path.name: path.read_bytes() for path in Path(folder).glob(f"{episode_name(seed)}/*")}

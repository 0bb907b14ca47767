"""Render recorded trajectories under other looks: new images, everything else is copied."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__, defaults
from lossless_ros.contract import Contract, load_contract
from lossless_ros.episodes.reader import find_episodes, read_info, read_messages, read_serialized, topic_counts
from lossless_ros.episodes.sim_messages import image_topic
from lossless_ros.episodes.sim_state import SIM_STATE
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.collect import prepare_folder
from lossless_ros.simulation.env import make_looks_renderer, recorded_episode, simulator_errors
from lossless_ros.simulation.process_pool import check_workers, run_parallel

SEEDS_BETWEEN_LOOKS = 1_000_000  # look k of the episode with seed n has the looks of seed n + k * this


@dataclass(frozen=True)
class RerenderConfig:
    """What to render again. The result does not depend on the number of workers.

    Attributes:
        data: folder with simulated episodes, or several of them. Episodes that are other looks are left out.
        out: folder for the new episodes; those that exist are kept.
        looks: new looks per episode, numbered from 1. Look 0 would be the episode's own.
        domain: domain of the looks: a name of config/domains or a YAML file; None: the one of each episode.
        contract: of the episodes: a name of config/contracts or a YAML file.
        workers: number of processes.
    """

    data: Path | Sequence[Path]
    out: Path
    looks: int = 1
    domain: str | None = None
    contract: str = defaults.CONTRACT
    workers: int = 1


@dataclass(frozen=True)
class Look:
    """One episode to render.

    Attributes:
        source: rosbag2 folder of the trajectory.
        path: rosbag2 folder to write.
        info: what the collector stored with the source.
        number: of the look.
        domain: of the looks.
    """

    source: Path
    path: Path
    info: dict[str, Any]
    number: int
    domain: str

    @property
    def key(self) -> dict[str, Any]:
        """What the new episode stores about its looks."""
        seed = self.info["seed"] + self.number * SEEDS_BETWEEN_LOOKS
        return {"source": self.source.name, "number": self.number, "seed": seed, "domain": self.domain}


def rerender(
    config: RerenderConfig, on_progress: Callable[[int, int], object] = lambda done, total: None
) -> list[dict[str, Any]]:
    """Render the episodes of `config`; `on_progress` gets how many are done, and their number.

    The new episode of look k is `<episode>_look_<k>`. Its motion, commands, delays and success are those of the source.

    Returns:
        The stored information of each new episode, by name.

    Raises:
        LosslessError: wrong argument, an episode without what is needed, or a folder that cannot be written.
    """
    if config.looks < 1:
        raise LosslessError(f"looks is {config.looks}, expected at least 1")
    check_workers(config.workers)
    contract = load_contract(config.contract)
    looks = _plan(config, contract)
    for task, domain in sorted({(look.info["task"], look.domain) for look in looks}):
        make_looks_renderer(task, domain, contract).close()
    prepare_folder(Path(config.out))
    done: dict[str, dict[str, Any]] = {}
    for look in looks:
        if look.path.exists():
            done[look.path.name] = _existing(look)
    on_progress(len(done), len(looks))
    todo = [look for look in looks if look.path.name not in done]
    for name, info in run_parallel(partial(RerenderWorker, contract), todo, config.workers) if todo else ():
        done[name] = info
        on_progress(len(done), len(looks))
    return [done[name] for name in sorted(done)]


class RerenderWorker:
    """One process's renderer; writes the episode of a look and returns its name and its information."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._renderer: Any = None
        self._world: tuple[str, str] | None = None  # task and domain of the renderer

    def __call__(self, look: Look) -> tuple[str, dict[str, Any]]:
        world = look.info["task"], look.domain
        if world != self._world:
            if self._renderer is not None:
                self._renderer.close()
            self._renderer, self._world = make_looks_renderer(*world, self._contract), world
        with simulator_errors():
            return look.path.name, self._write(look)

    def _write(self, look: Look) -> dict[str, Any]:
        episode = recorded_episode(look.info, _read_positions(look.source))
        draw = {**look.info["draw"], **self._renderer.sample(episode, look.key["seed"]).drawn}
        info = {**look.info, "draw": draw, "looks": look.key, "version": __version__}
        images = self._renderer.render(episode, look.key["seed"])
        with EpisodeWriter(look.path, self._contract, info["image_format"], privileged=True) as writer:
            self._copy(look.source, images, writer)
            writer.close(info)
        return info

    def _copy(self, source: Path, images: Iterator[dict[str, np.ndarray]], writer: EpisodeWriter) -> None:
        """Copy the messages in their order, with `images` in the place of the cameras' messages."""
        first, *others = (image_topic(camera, writer.image_format) for camera in writer.contract.cameras)
        for topic, stamp, data in read_serialized(source):
            if topic == first:
                writer.observe_images(stamp, next(images))
            elif topic not in others:
                writer.copy(topic, stamp, data)


def _plan(config: RerenderConfig, contract: Contract) -> list[Look]:
    """Return the looks to render, of every episode that is not one itself."""
    folders = [config.data] if isinstance(config.data, (str, Path)) else config.data
    looks: dict[str, Look] = {}
    for source in find_episodes([Path(folder) for folder in folders]):
        info = read_info(source)
        if "looks" in info:
            continue
        _check(source, info, contract)
        for number in range(1, config.looks + 1):
            path = Path(config.out) / f"{source.name}_look_{number}"
            if path.name in looks:
                raise LosslessError(f"{source} and {looks[path.name].source} have one name; give another --out for one")
            looks[path.name] = Look(source, path, info, number, config.domain or info["draw"]["domain"])
    if not looks:
        raise LosslessError(f"no episode to render in {', '.join(map(str, folders))}; all are other looks already")
    return list(looks.values())


def _check(source: Path, info: dict[str, Any], contract: Contract) -> None:
    """Check that an episode can be rendered again.

    Raises:
        LosslessError: it has no state of the simulator, or is of another contract.
    """
    needed = ("task", "seed", "draw", "image_format", "contract")
    if f"/{SIM_STATE}" not in topic_counts(source) or any(key not in info for key in needed):
        raise LosslessError(
            f"{source} has no /{SIM_STATE}; only new episodes of lossless collect and dagger can be rendered again"
        )
    if info["contract"] != contract.name:
        raise LosslessError(f"{source} is of contract '{info['contract']}', not '{contract.name}'; give its --contract")


def _read_positions(source: Path) -> np.ndarray:
    """Return MuJoCo's positions (T, nq) at the frames of an episode."""
    return np.stack([msg.data for _, _, msg in read_messages(source, {SIM_STATE})])


def _existing(look: Look) -> dict[str, Any]:
    """Return the information of an episode that exists.

    Raises:
        LosslessError: it is of another job.
    """
    info = read_info(look.path)
    if info.get("looks") != look.key:
        raise LosslessError(f"{look.path} has looks {info.get('looks')}, not {look.key}; give another --out")
    return info

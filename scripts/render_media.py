"""Render the animations of docs/media: a shipped policy, and one inference node that switches between five tasks.

    MUJOCO_GL=egl .venv/bin/python scripts/render_media.py

The shipped bundles drive the simulated robot over ROS 2, in the domain `nominal`: one process of the inference node,
one backbone, and before each episode a new task by parameter. The first episode of each task that ends with a stack is
shown. Its recorded commands are executed again before a camera outside the cell, with shadows and lights. No policy
sees that picture: they get the cell's cameras at 128 px.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from lossless_ros.contract import Contract
from lossless_ros.episodes.reader import Episode, read_episode
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.policy_library import find_bundles
from lossless_ros.paths import SHIPPED_BUNDLES
from lossless_ros.simulation.env import make_simulator
from lossless_ros.simulation.episode import episode_name
from lossless_ros.testing.node_processes import NodeProcesses

MEDIA = Path(__file__).resolve().parents[1] / "docs" / "media"
DOMAIN = "nominal"
WIDTH, HEIGHT = 480, 360  # of a rendered picture [px]
RATE_HZ = 20  # control steps per simulated second
HOLD_S = 2.0  # the last frame stays for this long
TIMEOUT_S = 600.0  # for a policy to load, or to answer


@dataclass(frozen=True)
class Film:
    """An animation to write."""

    file: str
    tasks: tuple[str, ...]  # one episode each, in this order
    size: tuple[int, int]  # width and height [px]
    every: int  # shows one of so many control steps
    speed: int  # times real time
    quality: int  # of the WebP, 0 to 100


def main() -> None:
    """Drive, render and write the films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundles", type=Path, default=SHIPPED_BUNDLES, help="folder with a bundle per task")
    parser.add_argument("--seeds", type=int, default=8, help="episodes 0, 1, ... to try per task until one stacks")
    parser.add_argument("--out", type=Path, default=MEDIA, help="folder to write to")
    options = parser.parse_args()

    tasks = tuple(find_bundles(str(options.bundles)))
    films = [Film("stacking.webp", tasks[-1:], (WIDTH, HEIGHT), every=3, speed=2, quality=70)]
    if len(tasks) > 1:
        films.append(Film("switching.webp", tasks, (320, 240), every=5, speed=4, quality=50))
    contract = read_bundle(find_bundles(str(options.bundles))[tasks[0]]).contract  # that of all in a folder
    with tempfile.TemporaryDirectory(prefix="lossless_media_") as folder:
        runs = dict(zip(tasks, drive(options.bundles, contract, options.seeds, Path(folder)), strict=True))
        for film in films:
            frames = [f for task in film.tasks for f in render(runs[task], contract, film)]
            write(frames, film, options.out)


def drive(bundles: Path, contract: Contract, seeds: int, folder: Path) -> Iterator[Episode]:
    """Drive episodes of each task with one inference node; yield the first one that stacked.

    Raises:
        SystemExit: a task was not stacked in any of the episodes.
    """
    tasks = list(find_bundles(str(bundles)))
    policy = {"bundles": str(bundles.resolve()), "task": tasks[0], "robot": "sim", "autostart": True}
    with NodeProcesses(folder, {}) as nodes:
        nodes.start("inference_node", policy | {"dry_run": False, "use_sim_time": True})
        switch = TaskSwitch(nodes)
        for task in tasks:
            switch(task)
            for seed in range(seeds):
                record = folder / task.replace("/", "_")
                robot = {"bundles": str(bundles.resolve()), "task": task, "domain": DOMAIN, "seed": seed, "episodes": 1}
                nodes.start(
                    "sim_robot_node", robot | {"mode": "lock_step", "record": str(record), "timeout": TIMEOUT_S}
                )
                while not (ended := nodes.ended()):
                    time.sleep(0.2)
                path = record / episode_name(seed)
                if ended != ["sim_robot_node"] or not path.is_dir():
                    raise SystemExit(f"{ended[0]} failed: {nodes.last_line(ended[0])}")
                print(f"{task}: {nodes.last_line('sim_robot_node')}", flush=True)
                episode = read_episode(path, contract)
                if episode.info["success"]:
                    yield episode
                    break
            else:
                raise SystemExit(f"{task}: no success in episodes 0 to {seeds - 1}")


class TaskSwitch:
    """Sets the parameter `task` of the inference node, as `ros2 param set` does."""

    def __init__(self, nodes: NodeProcesses) -> None:
        os.environ.update(nodes.environment)  # this process joins their ROS domain
        import rclpy
        from rclpy.parameter_client import AsyncParameterClient

        rclpy.init()
        self._node = rclpy.create_node("render_media", namespace=nodes.namespace)
        self._client = AsyncParameterClient(self._node, "inference_node")

    def __call__(self, task: str) -> None:
        """Switch, after the node has loaded its policies.

        Raises:
            SystemExit: the node does not answer or refuses the task.
        """
        import rclpy
        from rclpy.parameter import Parameter

        if not self._client.wait_for_services(timeout_sec=TIMEOUT_S):
            raise SystemExit("the inference node does not answer")
        answer = self._client.set_parameters([Parameter("task", value=task)])
        rclpy.spin_until_future_complete(self._node, answer, timeout_sec=TIMEOUT_S)
        result = answer.result().results[0] if answer.done() else None
        if not (result and result.successful):
            raise SystemExit(f"cannot switch to {task}: {result.reason if result else 'no answer'}")


def render(episode: Episode, contract: Contract, film: Film) -> list[Image.Image]:
    """Execute a recorded episode again and return its frames, up to one second after red is stacked on blue."""
    task, seed = episode.info["task"], episode.info["seed"]
    env = make_simulator(task, DOMAIN, contract)
    env.reset(seed=seed)
    view, frames, stacked = View(env.unwrapped), [], 0
    for step, action in enumerate(episode.actions):
        if step % film.every == 0:
            frames.append(caption(view.render(), task, film))
        info: dict[str, Any] = env.step(action)[-1]
        stacked = stacked + 1 if info["success"] else 0
        if stacked == RATE_HZ:
            return [*frames, caption(view.render(), task, film)]
    raise SystemExit(f"{task}: episode {seed} did not stack when its commands were executed again")


def caption(image: Image.Image, task: str, film: Film) -> Image.Image:
    """Return the image in the film's size, with task and speed."""
    image = image.resize(film.size, Image.Resampling.LANCZOS)
    size, draw = film.size[0] // 27, ImageDraw.Draw(image)
    draw.text((film.size[0] - 12, 8), f"{film.speed}x", fill="white", font_size=size, anchor="ra")
    if len(film.tasks) > 1:
        draw.text((12, 8), f"task:={task}", fill="white", font_size=size)
    return image


def write(frames: list[Image.Image], film: Film, folder: Path) -> None:
    """Write a film as an animated WebP."""
    period_ms = round(1000 * film.every / RATE_HZ / film.speed)
    path = folder / film.file
    folder.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[period_ms] * (len(frames) - 1) + [round(1000 * HOLD_S)],
        loop=0,
        quality=film.quality,
        method=6,
    )
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1000:.0f} kB")


class View:
    """A camera in front of the cell, outside the simulation's own."""

    def __init__(self, env) -> None:  # noqa: ANN001
        self._data = env._data
        model = env._model
        model.vis.global_.offwidth, model.vis.global_.offheight = WIDTH, HEIGHT
        model.vis.quality.shadowsize, model.vis.quality.offsamples = 4096, 8
        model.vis.headlight.ambient[:] = 0.35
        self._renderer = mujoco.Renderer(model, HEIGHT, WIDTH)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._camera.azimuth, self._camera.elevation, self._camera.distance = 205, -26, 0.92
        self._camera.lookat[:] = (0.58, 0.0, 0.2)

    def render(self) -> Image.Image:
        """Return the current state as an image of WIDTH x HEIGHT."""
        self._renderer.update_scene(self._data, self._camera)
        return Image.fromarray(np.asarray(self._renderer.render()))


if __name__ == "__main__":
    main()

"""Render docs/media/stacking.webp, the animation of the README.

    MUJOCO_GL=egl .venv/bin/python scripts/render_media.py

The picture has its own camera, shadows and lights. Nothing of it is seen by a policy: those get the cell's cameras at
128 px. The run is the expert's, in the domain `nominal`.
"""

import argparse
from pathlib import Path

import mujoco
import numpy as np
from lossless_sim.experts import make_expert
from lossless_sim.tasks import make_env
from PIL import Image, ImageDraw

MEDIA = Path(__file__).resolve().parents[1] / "docs" / "media"
WIDTH, HEIGHT = 480, 360  # [px]
RATE_HZ = 20  # control steps per simulated second
HOLD_S = 2.0  # the last frame stays for this long


def main() -> None:
    """Render one episode and write it as an animated WebP."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="rgb_stacking/triplet4", help="suite/name")
    parser.add_argument("--expert", default="reactive", help="scripted or reactive")
    parser.add_argument("--seed", type=int, default=3, help="seed of the episode")
    parser.add_argument("--every", type=int, default=3, help="render one of so many control steps")
    parser.add_argument("--speed", type=int, default=2, help="times real time")
    parser.add_argument("--quality", type=int, default=70, help="of the WebP, 0 to 100")
    parser.add_argument("--out", type=Path, default=MEDIA / "stacking.webp", help="file to write (.webp)")
    options = parser.parse_args()

    frames = render_episode(options.task, options.expert, options.seed, options.every)
    for frame in frames:
        ImageDraw.Draw(frame).text((WIDTH - 12, 8), f"{options.speed}x", fill="white", font_size=18, anchor="ra")
    period_ms = round(1000 * options.every / RATE_HZ / options.speed)
    durations = [period_ms] * (len(frames) - 1) + [round(1000 * HOLD_S)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        options.out,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=options.quality,
        method=6,
    )
    print(f"{options.out}: {len(frames)} frames, {options.out.stat().st_size / 1000:.0f} kB")


def render_episode(task: str, expert_name: str, seed: int, every: int) -> list[Image.Image]:
    """Return frames of an episode, up to one second after red is stacked on blue."""
    env = make_env(task, "nominal", cameras=())
    expert = make_expert(expert_name, task, seed)
    observation, info = env.reset(seed=seed)
    expert.reset()
    view = View(env.unwrapped)
    frames = [view.render()]
    step = stacked = 0
    truncated = False
    while not truncated and stacked < RATE_HZ:
        observation, _, _, truncated, info = env.step(expert.act(observation, info))
        step += 1
        stacked = stacked + 1 if info["success"] else 0
        if step % every == 0:
            frames.append(view.render())
    if not stacked:
        raise SystemExit(f"{expert_name} does not stack in episode {seed} of {task}; try another --seed")
    return frames


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

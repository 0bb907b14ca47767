"""Episodes in the simulator, whoever drives: what is seen and done at every step, until the episode is over."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError

START_NS = 1_000_000_000  # stamp of an episode's first observation; 0 would mean "no time" in ROS
MAX_STEPS = 400  # of an episode: 20 s at 20 Hz, as in the released environment
STEPS_AFTER_SUCCESS = 20  # demonstrations end when the episode has been a success for this long [control steps]

Observation = dict[str, np.ndarray]
# (step, observation, info) -> the action that the bag is told and the one that is executed, both (dim,)
Choose = Callable[[int, Observation, dict[str, Any]], tuple[np.ndarray, np.ndarray]]


def episode_name(seed: int) -> str:
    """Name of an episode's folder."""
    return f"episode_{seed:06d}"


def stamp_of(step: int, contract: Contract) -> int:
    """Stamp [ns] of a step's observation."""
    return START_NS + step * contract.period_ns


def make_simulator(task: str, domain: str, contract: Contract, images: bool = True) -> Any:
    """The environment of a task with the contract's cameras, or without any.

    Raises:
        LosslessError: its cameras are not square or not of one size (SimError for unknown names).
    """
    from lossless_sim.tasks import make_env

    sizes = {size for camera in contract.cameras for size in (camera.height, camera.width)}
    if len(sizes) > 1:
        raise LosslessError(f"contract {contract.name}: the simulator's images are square and all of one size")
    cameras = tuple(camera.name for camera in contract.cameras) if images else ()
    return make_env(task, domain, cameras=cameras, image_size=sizes.pop())


def check_numbers(episodes: int, seed: int, max_steps: int = 1) -> None:
    """LosslessError for numbers that make no sense."""
    for name, value, least in (("episodes", episodes, 1), ("seed", seed, 0), ("max-steps", max_steps, 1)):
        if value < least:
            raise LosslessError(f"{name} is {value}, expected at least {least}")


def run_episode(
    env: Any,
    seed: int,
    choose: Choose,
    bag: EpisodeWriter | None = None,
    look: Callable[[Observation, dict[str, Any]], None] = lambda observation, info: None,
    max_steps: int = MAX_STEPS,
    after_success: int | None = None,
) -> dict[str, Any]:
    """Drive the episode with this seed to its end; `look` gets what every step came to.

    It ends after `max_steps`, when the environment says so, or once it has been a success for `after_success` steps.

    Returns:
        steps, success (at the end) and draw, what was random about the episode.
    """
    observation, info = env.reset(seed=seed)
    draw = info["draw"]
    steps = successes = 0
    over = False
    while not over:
        told, done = choose(steps, observation, info)
        if bag:
            stamp = stamp_of(steps, bag.contract)
            bag.observe(stamp, observation)
            bag.act(stamp, told)
        observation, _, _, truncated, info = env.step(done)
        look(observation, info)
        steps += 1
        successes = successes + 1 if info["success"] else 0
        over = truncated or steps >= max_steps or successes == after_success
    return {"steps": steps, "success": bool(info["success"]), "draw": draw}

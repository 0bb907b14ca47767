"""Run one episode in the simulator, whatever chooses the actions, and record it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.env import Info, Observation, simulator_errors
from lossless_ros.simulation.process_pool import report_step

START_NS = 1_000_000_000  # stamp of an episode's first observation; 0 would mean "no time" in ROS
STEPS_AFTER_SUCCESS = 20  # demonstrations end when the episode has been a success for this long [control steps]


class Chooser(Protocol):
    """Choose what is recorded and what is executed in a step, both (dim,)."""

    def __call__(self, step: int, observation: Observation, info: Info) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class EpisodeEnd:
    """When an episode ends, besides the environment's own limit."""

    max_steps: int | None = None
    after_success: int | None = None  # steps of success in a row; None: success does not end it


def episode_name(seed: int) -> str:
    """Return the name of an episode's folder."""
    return f"episode_{seed:06d}"


def stamp_of(step: int, contract: Contract) -> int:
    """Return the stamp [ns] of a step's observation."""
    return START_NS + step * contract.period_ns


def check_numbers(episodes: int, seed: int, max_steps: int = 1) -> None:
    """Check the numbers that every episode job has.

    Raises:
        LosslessError: a number is below its minimum.
    """
    for name, value, least in (("episodes", episodes, 1), ("seed", seed, 0), ("max-steps", max_steps, 1)):
        if value < least:
            raise LosslessError(f"{name} is {value}, expected at least {least}")


def run_episode(
    env: Any,
    seed: int,
    choose: Chooser,
    end: EpisodeEnd,
    recorder: EpisodeWriter | None = None,
    on_step: Callable[[Observation, Info], None] = lambda observation, info: None,
) -> dict[str, Any]:
    """Run the episode with this seed to its end.

    Args:
        env: an environment of `env.make_env`.
        seed: names the episode.
        choose: gives the actions.
        end: when the episode is over.
        recorder: records observations and chosen actions, and privileged data if it was made for them.
        on_step: called with the result of every step.

    Returns:
        steps, success (at the end), draw: the episode's domain parameters.

    Raises:
        UnstableEpisodeError: the physics diverged.
    """
    with simulator_errors():
        observation, info = env.reset(seed=seed)
        draw = info["draw"]
        steps = successes = 0
        over = False
        while not over:
            recorded, executed = choose(steps, observation, info)
            if recorder:
                stamp = stamp_of(steps, recorder.contract)
                recorder.observe(stamp, observation)
                recorder.act(stamp, recorded)
                if recorder.privileged:
                    recorder.observe_privileged(stamp, info["objects"], info["qpos"])
            observation, _, _, truncated, info = env.step(executed)
            on_step(observation, info)
            report_step()
            steps += 1
            successes = successes + 1 if info["success"] else 0
            over = truncated or steps == end.max_steps or successes == end.after_success
        return {"steps": steps, "success": bool(info["success"]), "draw": draw}

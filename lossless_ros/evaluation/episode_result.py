"""How an episode went: success at its end and ever, when first, and the furthest stage."""

from collections.abc import Sequence
from typing import Any

from lossless_ros.simulation.env import Info, Observation, find_suite


class EpisodeResult:
    """Follows every step of an episode of a task, from the true state.

    A stage counts once it was reached, whatever came later. The task's suite defines the stages; those of RGB-stacking
    (`lossless_sim.stages`) are:

    - reached: the tool center came close to red's center,
    - grasped: both pads touched while closing, with red between them,
    - lifted: red was lifted off the floor while grasped,
    - above: red was over blue while grasped, higher than blue's top,
    - placed: red lay on blue,
    - left: the task's success held while the tool was clear of red.
    """

    def __init__(self, task: str, seed: int, period_s: float) -> None:
        self._suite, self._seed, self._period_s = find_suite(task), seed, period_s
        self._stage = -1  # index into the suite's stages
        self._first_success_s: float | None = None
        self._success = False
        self._steps = 0

    @property
    def stage(self) -> str:
        """The furthest stage so far, "none" at first."""
        return str(self._suite.stages[self._stage]) if self._stage >= 0 else "none"

    def update(self, observation: Observation, info: Info) -> None:
        """Take what the environment returned for a step."""
        self._steps += 1
        self._success = bool(info["success"])
        if self._success and self._first_success_s is None:
            self._first_success_s = self._steps * self._period_s
        found = self._suite.find_stages(observation, info)
        self._stage = max([self._stage, *(self._suite.stages.index(name) for name in found)])

    def document(self) -> dict[str, Any]:
        """Return the episode's fields in an evaluation document (`phase` is the furthest stage)."""
        return {
            "seed": self._seed,
            "success": self._success,
            "success_ever": self._first_success_s is not None,
            "first_success_s": self._first_success_s,
            "phase": self.stage,
            "steps": self._steps,
        }


def count_stages(episodes: list[dict[str, Any]], stages: Sequence[str]) -> dict[str, int]:
    """Return how many episodes (documents of `EpisodeResult`) reached each of the stages."""
    furthest = [stages.index(e["phase"]) if e["phase"] in stages else -1 for e in episodes]
    return {name: sum(index >= i for index in furthest) for i, name in enumerate(stages)}

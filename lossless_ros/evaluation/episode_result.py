"""How an episode went: success at its end and ever, when first, and the furthest phase of stacking that was reached."""

from typing import Any

import numpy as np

STAGES = ("reached", "grasped", "lifted", "above", "placed", "left")
NEAR = 0.03  # of the tool center to red's center: reached [m]
LIFTED = 0.02  # of red's lowest point over the basket's floor [m]
ALIGNED = 0.05  # horizontal distance of red to blue: the released task's own limit [m]
RESTS = 0.006  # gap between red's lowest and blue's highest point [m]
CLEAR = 0.05  # of the tool center to red's center: left [m]


class EpisodeResult:
    """Looks at every step of an episode of RGB stacking, from the true state.

    A phase counts once it was reached, whatever came later:

    - reached: the tool center came within NEAR of red's center,
    - grasped: both pads touched while closing, with red between them,
    - lifted: a grasped red was LIFTED over the floor,
    - above: a grasped red was over blue, closer than ALIGNED and higher than blue's top,
    - placed: red lay on blue,
    - left: the task's success held while the tool was CLEAR of red.
    """

    def __init__(self, seed: int, period_s: float) -> None:
        self._seed, self._period_s = seed, period_s
        self._phase = -1  # index into STAGES
        self._first_success_s: float | None = None
        self._success = False
        self._steps = 0

    @property
    def phase(self) -> str:
        """The furthest phase so far, "none" at first."""
        return STAGES[self._phase] if self._phase >= 0 else "none"

    def update(self, observation: dict[str, np.ndarray], info: dict[str, Any]) -> None:
        """Take what the environment returned for a step."""
        self._steps += 1
        self._success = bool(info["success"])
        if self._success and self._first_success_s is None:
            self._first_success_s = self._steps * self._period_s
        self._phase = max([self._phase, *(STAGES.index(p) for p in stages(observation, info))])

    def result(self) -> dict[str, Any]:
        """The episode's fields in an evaluation document."""
        return {
            "seed": self._seed,
            "success": self._success,
            "success_ever": self._first_success_s is not None,
            "first_success_s": self._first_success_s,
            "phase": self.phase,
            "steps": self._steps,
        }


def stages(observation: dict[str, np.ndarray], info: dict[str, Any]) -> list[str]:
    """The phases that this instant proves."""
    from lossless_sim.experts.grasp import FLOOR
    from lossless_sim.experts.view import View

    view = View.of(observation, info)
    red, blue = view.solids["red"], view.solids["blue"]
    distance = float(np.linalg.norm(view.tool - red.centre))
    held = view.touching and view.between() == "red"
    over = float(np.linalg.norm(red.centre[:2] - blue.centre[:2])) < ALIGNED
    proved = {
        "reached": distance < NEAR,
        "grasped": held,
        "lifted": held and red.bottom > FLOOR + LIFTED,
        "above": held and over and red.bottom > blue.top - RESTS,
        "placed": view.success or (over and not held and abs(red.bottom - blue.top) < RESTS),
        "left": view.success and distance > CLEAR,
    }
    return [name for name, holds in proved.items() if holds]


def count_stages(episodes: list[dict[str, Any]]) -> dict[str, int]:
    """How many episodes came at least as far as each phase."""
    furthest = [STAGES.index(e["phase"]) if e["phase"] in STAGES else -1 for e in episodes]
    return {name: sum(index >= i for index in furthest) for i, name in enumerate(STAGES)}

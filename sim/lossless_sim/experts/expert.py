"""What an expert is, and how one is made from its name."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lossless_sim.errors import SimError, unknown
from lossless_sim.tasks import task

EXPERTS = ("scripted", "lenient", "reactive", "random", "specialist:PATH")


class Expert(Protocol):
    """A policy that sees the true state."""

    def reset(self) -> None:
        """Begin another episode."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """The action (5,) float32 for what `env.step` or `env.reset` returned last."""


def make_expert(spec: str, task_name: str, seed: int) -> Expert:
    """An expert for a task; `seed` fixes whatever is random in it.

    Args:
        spec: `scripted`, `lenient` and `reactive` (that students can follow), `random`, or `specialist:PATH`: a
            released specialist, its weights (.npz) or SavedModel.

    Raises:
        SimError: unknown expert or task, or weights that cannot be read.
    """
    triplet = str(task(task_name)["triplet"])
    kind, _, path = spec.partition(":")
    if spec == "random":
        from lossless_sim.experts.random import RandomExpert

        return RandomExpert(seed)
    if spec == "reactive":
        from lossless_sim.experts.reactive import ReactiveExpert

        return ReactiveExpert()
    if spec in ("scripted", "lenient"):
        from lossless_sim.experts.scripted import ScriptedExpert

        return ScriptedExpert(triplet, seed, lenient=spec == "lenient")
    if kind == "specialist":
        if not path:
            raise SimError("specialist needs the path of its weights: specialist:PATH.npz")
        from lossless_sim.experts.specialist import Specialist, load_weights

        return Specialist(load_weights(Path(path)), seed)
    raise unknown("expert", spec, EXPERTS)

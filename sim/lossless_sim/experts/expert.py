"""The interface of experts, and their construction by name."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lossless_sim.errors import SimError, unknown
from lossless_sim.tasks import task

EXPERTS = ("scripted", "reactive", "random", "specialist:PATH")


class Expert(Protocol):
    """A policy that acts on the privileged state."""

    def reset(self) -> None:
        """Start another episode."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return the action (5,) float32 for the last return values of `env.reset` or `env.step`."""


def make_expert(spec: str, task_name: str, seed: int) -> Expert:
    """Create an expert for a task.

    Args:
        spec: `scripted`; `reactive`, which is easier to imitate; `random`; or `specialist:PATH` with the weights (.npz)
            or the SavedModel folder of a released specialist.
        task_name: name of the task.
        seed: seed of the random experts.

    Raises:
        SimError: unknown expert or task, or unreadable weights.
    """
    task(task_name)
    kind, _, path = spec.partition(":")
    if spec == "random":
        from lossless_sim.experts.random import RandomExpert

        return RandomExpert(seed)
    if spec == "reactive":
        from lossless_sim.experts.reactive import ReactiveExpert

        return ReactiveExpert()
    if spec == "scripted":
        from lossless_sim.experts.scripted import ScriptedExpert

        return ScriptedExpert()
    if kind == "specialist":
        if not path:
            raise SimError("specialist needs the path of its weights: specialist:PATH.npz")
        from lossless_sim.experts.specialist import Specialist, load_weights

        return Specialist(load_weights(Path(path)), seed)
    raise unknown("expert", spec, EXPERTS)

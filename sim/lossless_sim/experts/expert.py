"""The experts of RGB-stacking by name."""

from pathlib import Path

from lossless_sim.errors import SimError, unknown
from lossless_sim.experts.protocol import Expert

EXPERTS = ("scripted", "reactive", "random", "specialist:PATH")


def make_expert(spec: str, task_name: str, seed: int) -> Expert:
    """Create an expert.

    Args:
        spec: `scripted`; `reactive`, which is easier to imitate; `random`; or `specialist:PATH` with the weights (.npz)
            or the SavedModel folder of a released specialist.
        task_name: name of the task; these experts do all of them.
        seed: seed of the random experts.

    Raises:
        SimError: unknown expert, or unreadable weights.
    """
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

"""Registry of the simulator's tasks."""

from typing import Any

import gymnasium

from lossless_sim.errors import unknown
from lossless_sim.scene.objects import TRIPLETS

TASKS: dict[str, dict[str, Any]] = {
    f"rgb_stacking/{triplet}": {"id": "lossless/RgbStacking-v0", "triplet": triplet}
    for triplet in [*TRIPLETS, "train", "heldout"]
}


def task(name: str) -> dict[str, Any]:
    """Return the arguments of `gymnasium.make` for a task.

    Raises:
        SimError: unknown task; the message lists the known ones.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def make_env(name: str, domain: str = "nominal", **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Create the environment of a task.

    Args:
        name: name of the task.
        domain: name or path of the domain.
        kwargs: further arguments of RgbStackingEnv (cameras, image_size, physics).

    Raises:
        SimError: unknown task, domain, physics or camera.
    """
    import lossless_sim  # noqa: F401  registers the environments

    return gymnasium.make(**task(name), domain=domain, disable_env_checker=True, **kwargs)

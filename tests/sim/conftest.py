"""Fixtures of the simulator tests.

`lossless_sim` is imported before anything else imports MuJoCo, because it selects the headless OpenGL platform.
"""

from collections.abc import Callable
from pathlib import Path

import lossless_sim  # noqa: F401
import numpy as np
import pytest
from lossless_sim.cell import Cell, CellCache
from lossless_sim.experts import Noise, make_expert
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.scene.physics import physics
from lossless_sim.tasks import make_env


@pytest.fixture(scope="session")
def cell() -> Cell:
    """The compiled cell of triplet 1; do not modify it."""
    return CellCache(physics("fast")).get(TRIPLETS["triplet1"])


@pytest.fixture(scope="session")
def teachers() -> Path:
    """Folder with the weights of the released specialists and their reference outputs."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "teachers"
    if not folder.is_dir():
        pytest.skip("no ../shared/teachers next to the repository")
    return folder


@pytest.fixture(scope="session")
def stacks() -> Callable[..., bool]:
    """Run an episode of an expert and return its success; every action is checked."""

    def run(
        spec: str, seed: int, task: str = "rgb_stacking/triplet1", domain: str = "nominal", noise: float = 0.0
    ) -> bool:
        env = make_env(task, domain=domain, cameras=())
        expert, disturb = make_expert(spec, task, seed), Noise(noise, seed)
        obs, info = env.reset(seed=seed)
        expert.reset()
        truncated = False
        while not truncated:
            action = expert.act(obs, info)
            assert action.shape == (5,)
            assert action.dtype == np.float32
            assert (np.abs(action) <= env.action_space.high + 1e-6).all()
            obs, _, _, truncated, info = env.step(disturb(action))
        return bool(info["success"])

    return run

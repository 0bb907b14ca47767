"""The success criterion."""

import gymnasium
import numpy as np
import pytest
from lossless_sim.actions import NO_MOTION
from lossless_sim.success import stacked


@pytest.mark.parametrize(("sideways", "expected"), [(0.0, True), (0.01, True), (0.08, False)])
def test_success_is_red_on_blue(sideways: float, expected: bool) -> None:
    """Put red `sideways` [m] off the middle of blue and let it settle; cubes stand in any pose."""
    env = gymnasium.make("lossless/RgbStacking-v0", triplet="s0-g5-s0", cameras=(), disable_env_checker=True)
    env.reset(seed=0)
    data, indices = env.unwrapped._data, env.unwrapped._cell.indices
    for index, position in ((2, (0.6, 0.0, 0.075)), (0, (0.6 + sideways, 0.0, 0.125)), (1, (0.7, 0.1, 0.075))):
        start = indices.object_qpos[index]
        data.qpos[start : start + 7] = np.array([*position, 1, 0, 0, 0])
        data.qvel[indices.object_dof[index] :][:6] = 0
    for _ in range(20):
        _, reward, *_ = env.step(NO_MOTION)
    assert reward == float(stacked(data, indices))
    assert bool(reward) is expected

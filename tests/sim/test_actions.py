"""Validation of actions."""

import numpy as np
import pytest
from lossless_sim.actions import NO_MOTION
from lossless_sim.errors import SimError
from lossless_sim.tasks import make_env


@pytest.mark.parametrize("action", [[0, 0, 0, 0], [0, 0, np.nan, 0, 1], [np.inf, 0, 0, 0, 1]])
def test_invalid_action_is_an_error_and_leaves_the_simulation_intact(action: list[float]) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match="five finite numbers"):
        env.step(np.array(action, np.float32))
    obs, *_ = env.step(NO_MOTION)
    assert np.isfinite(obs["state"]).all()


@pytest.mark.parametrize("velocities", [[0.0] * 6, [0.0] * 6 + [np.nan]])
def test_invalid_joint_velocities_are_an_error(velocities: list[float]) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match="seven finite numbers"):
        env.unwrapped.step_joints(np.array(velocities), 0.0)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([0.08, 0, 0, 0, 0], "action vx is 0.08, expected -0.07 to 0.07"),
        ([0, 0, 0, -2, 0], "action wz is -2, expected -1 to 1"),
        ([0, 0, 0, 0, 255], "action gripper is 255, expected -1 to 1"),
    ],
)
def test_action_out_of_range_is_an_error_that_states_the_range(action: list[float], message: str) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match=message):
        env.step(np.array(action, np.float32))
    env.step(env.action_space.low)  # the limits themselves are valid
    env.step(env.action_space.high.astype(np.float64))

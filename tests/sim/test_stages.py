"""Stages of stacking, on the simulator with the scripted expert."""

import pytest
from lossless_sim.experts import make_expert
from lossless_sim.stages import STAGES, stages
from lossless_sim.tasks import make_env

TASK = "rgb_stacking/triplet1"


@pytest.fixture(scope="module")
def stages_by_step() -> list[list[str]]:
    """Stages at each step of a successful episode of the expert, up to the last stage."""
    env, expert = make_env(TASK, "nominal", cameras=()), make_expert("scripted", TASK, 3)
    observation, info = env.reset(seed=3)
    recorded: list[list[str]] = []
    for _ in range(400):
        observation, _, _, _, info = env.step(expert.act(observation, info))
        recorded.append(stages(observation, info))
        if "left" in recorded[-1]:
            break
    return recorded


def test_expert_passes_all_stages_in_order(stages_by_step: list[list[str]]) -> None:
    first = [min(step for step, names in enumerate(stages_by_step) if stage in names) for stage in STAGES]
    assert first == sorted(first)


def test_last_step_has_left_red_on_blue(stages_by_step: list[list[str]]) -> None:
    assert stages_by_step[-1] == ["placed", "left"]


def test_lifted_and_above_imply_grasped(stages_by_step: list[list[str]]) -> None:
    for names in stages_by_step:
        assert "grasped" in names or not {"lifted", "above"} & set(names)


def test_initial_state_has_no_stage() -> None:
    observation, info = make_env(TASK, "nominal", cameras=()).reset(seed=3)
    assert stages(observation, info) == []

"""Stages of an episode, in the real simulator with the scripted expert."""

import pytest

from lossless_ros.evaluation.episode_result import EpisodeResult, count_stages
from lossless_ros.evaluation.episode_table import STAGES
from lossless_ros.simulation.env import find_suite, make_env, make_expert

TASK = "rgb_stacking/triplet1"
SUITE = find_suite(TASK)


@pytest.fixture(scope="module")
def expert_run():
    """Return the stages that hold after each step of a successful episode, the furthest one, and the result."""
    env, expert = make_env(TASK, "nominal"), make_expert("scripted", TASK, 3)
    observation, info = env.reset(seed=3)
    result, proved, seen = EpisodeResult(TASK, 3, 0.05), [], []
    for _ in range(400):
        observation, _, _, _, info = env.step(expert.act(observation, info))
        result.update(observation, info)
        proved.append(SUITE.find_stages(observation, info))
        seen.append(result.stage)
        if result.stage == "left":
            break
    return proved, seen, result.document()


def test_expert_reaches_all_stages_in_order(expert_run):
    proved, seen, result = expert_run
    first = [min(i for i, names in enumerate(proved) if stage in names) for stage in STAGES]
    assert first == sorted(first)
    assert list(dict.fromkeys(seen)) in (["none", *STAGES], list(STAGES))
    assert result["phase"] == "left" and result["success"] and result["success_ever"]
    assert result["first_success_s"] <= 0.05 * result["steps"]


def test_no_stage_holds_at_the_start():
    env = make_env(TASK, "nominal")
    observation, info = env.reset(seed=3)
    assert SUITE.find_stages(observation, info) == []
    result = EpisodeResult(TASK, 3, 0.05)
    result.update(observation, info)
    assert result.document() == {
        "seed": 3,
        "success": False,
        "success_ever": False,
        "first_success_s": None,
        "phase": "none",
        "steps": 1,
    }


def test_stages_are_the_simulators():
    assert SUITE.stages == STAGES


def test_stages_are_counted_cumulatively():
    counts = count_stages([{"phase": p} for p in ("none", "reached", "lifted", "left")], STAGES)
    assert counts == {"reached": 3, "grasped": 2, "lifted": 2, "above": 1, "placed": 1, "left": 1}

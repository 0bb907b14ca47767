"""Phases of an episode, on the real simulator with the scripted expert."""

import pytest
from lossless_sim.experts import make_expert
from lossless_sim.tasks import make_env

from lossless_ros.evaluation.episode_result import STAGES, EpisodeResult, count_stages, stages

TASK = "rgb_stacking/triplet1"


@pytest.fixture(scope="module")
def expert_run():
    """What each step of a successful episode of the expert's proves, and its outcome."""
    env, expert = make_env(TASK, "nominal", cameras=()), make_expert("scripted", TASK, 3)
    observation, info = env.reset(seed=3)
    outcome, proved, seen = EpisodeResult(3, 0.05), [], []
    for _ in range(400):
        observation, _, _, _, info = env.step(expert.act(observation, info))
        outcome.update(observation, info)
        proved.append(stages(observation, info))
        seen.append(outcome.phase)
        if outcome.phase == "left":
            break
    return proved, seen, outcome.result()


def test_expert_goes_through_all_phases_in_their_order(expert_run):
    proved, seen, result = expert_run
    first = [min(i for i, names in enumerate(proved) if phase in names) for phase in STAGES]
    assert first == sorted(first)
    assert list(dict.fromkeys(seen)) in (["none", *STAGES], list(STAGES))
    assert result["phase"] == "left" and result["success"] and result["success_ever"]
    assert result["first_success_s"] <= 0.05 * result["steps"]


def test_nothing_is_proved_before_anything_happened():
    env = make_env(TASK, "nominal", cameras=())
    observation, info = env.reset(seed=3)
    assert stages(observation, info) == []
    outcome = EpisodeResult(3, 0.05)
    outcome.update(observation, info)
    assert outcome.result() == {
        "seed": 3,
        "success": False,
        "success_ever": False,
        "first_success_s": None,
        "phase": "none",
        "steps": 1,
    }


def test_phases_are_counted_cumulatively():
    counts = count_stages([{"phase": p} for p in ("none", "reached", "lifted", "left")])
    assert counts == {"reached": 3, "grasped": 2, "lifted": 2, "above": 1, "placed": 1, "left": 1}

"""A shipped policy does its task, in the domain that no training has seen."""

import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros import defaults  # noqa: E402
from lossless_ros.evaluation.rollout import EvalConfig, evaluate  # noqa: E402


def test_shipped_policy_stacks_in_at_least_three_of_five_episodes() -> None:
    result = evaluate(EvalConfig(bundle=defaults.BUNDLE, domain="lab", episodes=5, seed=5, workers=2, runtime="auto"))
    assert (result["task"], result["n"], result["seeds"]) == ("rgb_stacking/triplet5", 5, [5, 6, 7, 8, 9])
    assert result["successes"] >= 3, result["episodes"]

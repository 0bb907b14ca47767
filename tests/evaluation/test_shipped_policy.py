"""A shipped policy does its task, in the domain that no training has seen."""

import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros import defaults  # noqa: E402
from lossless_ros.evaluation.rollout import EvalConfig, evaluate  # noqa: E402


def test_shipped_policy_stacks_in_at_least_two_of_four_episodes() -> None:
    result = evaluate(EvalConfig(bundle=defaults.BUNDLE, domain="lab", episodes=4, seed=10, workers=2, runtime="auto"))
    assert (result["task"], result["n"], result["seeds"]) == ("rgb_stacking/triplet5", 4, [10, 11, 12, 13])
    assert result["successes"] >= 2, result["episodes"]

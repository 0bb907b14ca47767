"""Paired comparison: checked against published figures; what cannot be compared is refused."""

import json

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.compare import compare, evaluate_baseline, mcnemar, newcombe_interval, summary_line
from lossless_ros.evaluation.rollout import EvalConfig

TASK = "rgb_stacking/triplet1"


def document(outcomes):
    return {
        "task": TASK,
        "domain": "lab",
        "episodes": [{"seed": seed, "success": bool(s)} for seed, s in enumerate(outcomes)],
    }


def test_seeds_are_paired_and_both_directions_counted():
    result = compare(document([1, 1, 1, 0, 0, 1]), document([1, 0, 0, 0, 1]))
    counts = [result[k] for k in ("n", "both", "only_ours", "only_theirs", "neither")]
    assert counts == [5, 1, 2, 1, 1]
    assert result["difference"] == pytest.approx(0.2)
    assert "only this one in 2, only the other in 1" in summary_line(result, "x.json")


def test_p_value_is_that_of_the_sign_test():
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(12, 2) == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert mcnemar(3, 3) == mcnemar(0, 0) == 1
    assert mcnemar(2, 9) == mcnemar(9, 2)


@pytest.mark.parametrize(
    ("counts", "interval"),
    [((20, 12, 2, 16), (0.0562, 0.3292)), ((36, 12, 2, 0), (0.0569, 0.3404)), ((0, 0, 0, 0), (-1, 1))],
)
def test_interval_of_the_difference_is_newcombes(counts, interval):
    """The tables are worked examples of Newcombe (1998), method 10."""
    assert newcombe_interval(*counts) == pytest.approx(interval, abs=1e-4)


def test_interval_is_mirrored_by_the_order_and_stays_within_one():
    low, high = newcombe_interval(3, 7, 1, 9)
    assert newcombe_interval(3, 1, 7, 9) == pytest.approx((-high, -low))
    assert newcombe_interval(0, 20, 0, 0) == pytest.approx((1 - (1 - 0.8389) * 2**0.5, 1.0), abs=1e-3)


def test_baseline_is_loaded_from_an_earlier_document(tmp_path):
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(document([1, 0, 1])))
    assert evaluate_baseline(str(path), EvalConfig(TASK, domain="lab", seed=0, episodes=3)) == document([1, 0, 1])
    with pytest.raises(LosslessError, match="no episode with seed 3"):
        evaluate_baseline(str(path), EvalConfig(TASK, domain="lab", seed=0, episodes=4))
    with pytest.raises(LosslessError, match="in lab, not of .* in nominal; nothing to compare"):
        evaluate_baseline(str(path), EvalConfig(TASK, domain="nominal", seed=0, episodes=3))
    path.write_text("[]")
    with pytest.raises(LosslessError, match="is no evaluation"):
        evaluate_baseline(str(path), EvalConfig(TASK, domain="lab", seed=0, episodes=3))
    with pytest.raises(LosslessError, match="cannot read"):
        evaluate_baseline(str(tmp_path / "none.json"), EvalConfig(TASK, domain="lab", seed=0, episodes=3))

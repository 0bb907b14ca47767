"""Paired comparison of two evaluations on the same seeds, with its interval and an exact test."""

import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import EvalConfig, evaluate
from lossless_ros.evaluation.statistics import wilson_interval
from lossless_ros.paths import BUNDLE_SUFFIX, shipped_bundles


def evaluate_baseline(
    baseline: str,
    config: EvalConfig,
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
    on_steps: Callable[[int], object] = lambda count: None,
) -> dict[str, Any]:
    """Return the evaluation document to compare with.

    Args:
        baseline: a bundle (a file or the name of a shipped one), an expert, or the path of an earlier document (.json).
        config: the job of the policy that is compared; task, domain, seeds, workers and runtime are taken from it.
        on_progress: called with the result of every episode.
        on_steps: as of `evaluate`.

    Raises:
        LosslessError: none of these; episodes that the baseline was trained on; or the document is of another task or
            domain or lacks some of the seeds.
    """
    if baseline.endswith(".json"):
        return _earlier(Path(baseline), config)
    is_bundle = baseline.endswith(BUNDLE_SUFFIX) or baseline in shipped_bundles()
    bundle, expert = (Path(baseline), None) if is_bundle else (None, baseline)
    names = ("task", "domain", "episodes", "seed", "allow_training_seeds", "workers", "runtime", "weights", "allow_hub")
    same = {name: getattr(config, name) for name in names}
    return evaluate(EvalConfig(**same, bundle=bundle, expert=expert), on_progress, on_steps)


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Compare success at the end on the seeds that both documents have.

    Returns:
        n, both, only_ours, only_theirs, neither; difference of the success rates (ours minus theirs) with interval_95
        (Newcombe's for pairs); p_value of McNemar's exact test, two-sided.
    """
    a, b = ({e["seed"]: bool(e["success"]) for e in document["episodes"]} for document in (ours, theirs))
    pairs = [(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())]
    both, only_ours, only_theirs, neither = (
        pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    return {
        "n": len(pairs),
        "both": both,
        "only_ours": only_ours,
        "only_theirs": only_theirs,
        "neither": neither,
        "difference": (only_ours - only_theirs) / len(pairs) if pairs else None,
        "interval_95": list(newcombe_interval(both, only_ours, only_theirs, neither)),
        "p_value": mcnemar(only_ours, only_theirs),
    }


def summary_line(comparison: dict[str, Any], name: str) -> str:
    """Return the comparison in one line."""
    low, high = comparison["interval_95"]
    return (
        f"against {name}: {100 * comparison['difference']:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] on "
        f"{comparison['n']} seeds; only this one in {comparison['only_ours']}, only the other in "
        f"{comparison['only_theirs']}; McNemar's exact p = {comparison['p_value']:.3g}"
    )


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: `first` pairs differ one way, `second` the other."""
    from scipy.stats import binomtest

    n = first + second
    return float(binomtest(first, n).pvalue) if n else 1.0


def newcombe_interval(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two paired rates (Newcombe 1998, method 10); (-1, 1) for n = 0.

    It combines the Wilson intervals of the two rates, using their correlation.
    """
    n = both + first + second + neither
    if n == 0:
        return -1.0, 1.0
    ours, theirs = both + first, both + second
    (low_1, high_1), (low_2, high_2) = wilson_interval(ours, n), wilson_interval(theirs, n)
    p_1, p_2 = ours / n, theirs / n
    margins = ours * (n - ours) * theirs * (n - theirs)
    excess = float(both * neither - first * second)
    if excess > 0:
        excess = max(excess - n / 2, 0)  # continuity
    phi = excess / sqrt(margins) if margins else 0.0

    def reach(x: float, y: float) -> float:
        return sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    difference = p_1 - p_2
    low = difference - reach(p_1 - low_1, high_2 - p_2)
    return low, difference + reach(high_1 - p_1, p_2 - low_2)


def _earlier(path: Path, config: EvalConfig) -> dict[str, Any]:
    """Load the document of an earlier evaluation of the same task, domain and seeds."""
    try:
        document = json.loads(path.read_text())
        found = {episode["seed"] for episode in document["episodes"]}
        task, domain = document["task"], document["domain"]
    except OSError as error:
        raise LosslessError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise LosslessError(f"{path} is no evaluation; expected what lossless evaluate --json wrote") from None
    if (task, domain) != (config.task_name, config.domain):
        raise LosslessError(
            f"{path} is of {task} in {domain}, not of {config.task_name} in {config.domain}; nothing to compare"
        )
    missing = [seed for seed in config.seeds if seed not in found]
    if missing:
        raise LosslessError(f"{path} has no episode with seed {missing[0]}; evaluate seeds that both have")
    if (trained := document.get("trained_seeds")) and not config.allow_training_seeds:
        raise LosslessError(
            f"{path} counts {trained} episodes that its policy was trained on; evaluate it on others, or give "
            "--allow-training-seeds"
        )
    return dict(document)

"""Two policies on the same seeds: who succeeds where the other does not, and whether that can be chance."""

import json
from collections.abc import Callable
from math import comb, sqrt
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import evaluate
from lossless_ros.evaluation.statistics import wilson_interval


def evaluate_baseline(
    against: str,
    task: str,
    domain: str,
    episodes: int,
    seed: int,
    workers: int,
    runtime: str = "torch",
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
) -> dict[str, Any]:
    """The evaluation document to compare with: of a bundle, of an expert, or an earlier one read from its JSON file.

    Raises:
        LosslessError: none of these, or the earlier one is of another task or domain or lacks some of the seeds.
    """
    seeds = range(seed, seed + episodes)
    if against.endswith(".json"):
        return _earlier(Path(against), task, domain, seeds)
    is_bundle = against.endswith(".safetensors")
    bundle, expert = (Path(against), None) if is_bundle else (None, against)
    return evaluate(task, domain, episodes, seed, bundle, expert, workers, runtime=runtime, on_progress=on_progress)


def compare(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Paired comparison of success at the end on the seeds of both documents.

    Returns:
        n, both, only_ours, only_theirs, neither; difference of the success rates (ours minus theirs) with interval_95
        (Newcombe's for pairs); p_value of McNemar's exact test, two-sided: how often chance alone would split the
        episodes in which they differ at least as unevenly.
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
    """The comparison in one line."""
    low, high = comparison["interval_95"]
    return (
        f"against {name}: {100 * comparison['difference']:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] on "
        f"{comparison['n']} seeds; only this one in {comparison['only_ours']}, only the other in "
        f"{comparison['only_theirs']}; McNemar's exact p = {comparison['p_value']:.3g}"
    )


def mcnemar(one: int, other: int) -> float:
    """Two-sided p-value of McNemar's exact test, a sign test: `one` pairs differ one way, `other` the other."""
    n, k = one + other, min(one, other)
    return min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)


def newcombe_interval(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """95 % interval of the difference of two rates measured on pairs (method 10 of Newcombe 1998); (-1, 1) for none.

    Wilson's intervals of the two rates, put together by their correlation.
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


def _earlier(path: Path, task: str, domain: str, seeds: range) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
        found = {episode["seed"] for episode in document["episodes"]}
        its = document["task"], document["domain"]
    except OSError as error:
        raise LosslessError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise LosslessError(f"{path} is no evaluation; expected what lossless evaluate --json wrote") from None
    if its != (task, domain):
        raise LosslessError(f"{path} is of {its[0]} in {its[1]}, not of {task} in {domain}; nothing to compare")
    missing = [seed for seed in seeds if seed not in found]
    if missing:
        raise LosslessError(f"{path} has no episode with seed {missing[0]}; evaluate seeds that both have")
    return dict(document)

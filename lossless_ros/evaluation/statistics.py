"""Rates with intervals, and percentiles of latencies."""

from collections.abc import Sequence

import numpy as np


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a rate (Wilson 1927); (0, 1) for n = 0.

    Raises:
        ValueError: not 0 <= successes <= n.
    """
    from scipy.stats import binomtest

    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: expected 0 <= successes <= n")
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and max of a non-empty sequence, in its unit."""
    array = np.asarray(values, np.float64)
    return {"p50": float(np.percentile(array, 50)), "p99": float(np.percentile(array, 99)), "max": float(array.max())}

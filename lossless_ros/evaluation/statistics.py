"""Rates with intervals, and percentiles of latencies."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


def wilson_interval(successes: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a rate (Wilson 1927); (0, 1) for n = 0."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: expected 0 <= successes <= n")
    if n == 0:
        return 0.0, 1.0
    rate = successes / n
    center = rate + z * z / (2 * n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and max of a non-empty sequence, in its unit."""
    array = np.asarray(values, np.float64)
    return {"p50": float(np.percentile(array, 50)), "p99": float(np.percentile(array, 99)), "max": float(array.max())}

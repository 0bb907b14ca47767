"""Check a recording's streams against the contract: rate, gaps, one continuous run."""

from collections.abc import Mapping, Sequence

import numpy as np

from lossless_ros.contract import Contract

_SLOW = 1.25  # a stream's median interval may be this many periods: clocks and exposure times vary


def timing_fault(contract: Contract, stamps: Mapping[str, Sequence[int]]) -> str | None:
    """Return what is wrong with the header stamps [ns] of each topic's messages, None if nothing is.

    Faster streams are fine (they are thinned later), and so are single lost messages (their frame is left out).
    """
    for topic, values in stamps.items():
        if len(values) < 2:
            continue
        begin, intervals = values[0], np.diff(np.array(values, np.int64)) / 1e9
        if intervals.min() < -contract.max_age_s:
            at = int(intervals.argmin())
            return f"{topic} goes back in time by {-intervals[at]:.2f} s after {(values[at] - begin) / 1e9:.2f} s"
        median = float(np.median(intervals))
        if median > _SLOW / contract.rate_hz:
            return (
                f"{topic} has {1 / median:.1f} Hz, contract '{contract.name}' needs {contract.rate_hz:g} Hz; "
                "use a contract with this rate"
            )
        at = int(intervals.argmax())
        if intervals[at] > contract.max_age_s:
            return (
                f"{topic} is silent for {intervals[at]:.2f} s after {(values[at] - begin) / 1e9:.2f} s, "
                f"contract '{contract.name}' allows {contract.max_age_s:g} s"
            )
    return None

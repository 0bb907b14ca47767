"""Whether a recording's streams came as the contract wants them: often enough, without gaps, in one run."""

from collections.abc import Mapping, Sequence

import numpy as np

from lossless_ros.contract import Contract

_SLOW = 1.25  # a stream's usual interval may be this many periods: clocks and exposure times vary


def timing_fault(contract: Contract, stamps: Mapping[str, Sequence[int]]) -> str | None:
    """What is wrong with the header stamps [ns] of the messages of each topic, None if nothing is.

    A stream that is quicker than the contract's rate is thinned, and single lost messages only leave out their frame.
    """
    for topic, values in stamps.items():
        if len(values) < 2:
            continue
        begin, intervals = values[0], np.diff(np.array(values, np.int64)) / 1e9
        if intervals.min() < -contract.max_age_s:
            at = int(intervals.argmin())
            return f"{topic} goes back in time by {-intervals[at]:.2f} s after {(values[at] - begin) / 1e9:.2f} s"
        usual = float(np.median(intervals))
        if usual > _SLOW / contract.rate_hz:
            return (
                f"{topic} comes at {1 / usual:.1f} Hz, contract '{contract.name}' wants {contract.rate_hz:g} Hz; "
                "use a contract with this rate"
            )
        at = int(intervals.argmax())
        if intervals[at] > contract.max_age_s:
            return (
                f"{topic} is silent for {intervals[at]:.2f} s after {(values[at] - begin) / 1e9:.2f} s, "
                f"contract '{contract.name}' allows {contract.max_age_s:g} s"
            )
    return None

"""Check a recording's stamps against the contract: rate, gaps, one continuous run, one clock."""

from collections.abc import Mapping, Sequence

import numpy as np

from lossless_ros.contract import Contract

SLOWEST = 0.75  # of the contract's rate: a slower stream is refused, in recordings and live
_LARGEST_OFFSET_S = 1.0  # between the clocks of two topics; recorders and networks delay messages by less


def timing_fault(contract: Contract, stamps: Mapping[str, Sequence[int]]) -> str | None:
    """Return what is wrong with the header stamps [ns] of each topic's messages, None if nothing is.

    Faster streams are fine (they are thinned later), and so are single lost messages (their frame is left out).
    """
    for topic, values in stamps.items():
        fault = order_fault(contract, topic, values) or rate_fault(contract, topic, values)
        if fault:
            return fault
        silence, after = longest_silence(values)
        if silence > contract.max_age_s:
            return (
                f"{topic} is silent for {silence:.2f} s after {after:.2f} s, "
                f"contract '{contract.name}' allows {contract.max_age_s:g} s"
            )
    return None


def order_fault(contract: Contract, topic: str, stamps: Sequence[int]) -> str | None:
    """Return why a topic's header stamps [ns] are not those of one run, None if they are."""
    if len(stamps) < 2:
        return None
    if len(set(stamps)) == 1:
        return f"all {len(stamps)} messages on {topic} are stamped {stamps[0] / 1e9:g} s; expected the time of each"
    intervals = _intervals(stamps)
    if intervals.min() < -contract.max_age_s:
        at = int(intervals.argmin())
        after = (stamps[at] - stamps[0]) / 1e9
        return f"{topic} goes back in time by {-intervals[at]:.2f} s after {after:.2f} s"
    return None


def rate_fault(contract: Contract, topic: str, stamps: Sequence[int]) -> str | None:
    """Return by how much a topic with these header stamps [ns] is slower than the contract, None if it is not."""
    if len(stamps) < 2:
        return None
    median = float(np.median(_intervals(stamps)))
    if median * SLOWEST * contract.rate_hz <= 1:
        return None
    return (
        f"{topic} has {1 / median:.1f} Hz, contract '{contract.name}' needs {contract.rate_hz:g} Hz; "
        "use a contract with this rate"
    )


def longest_silence(stamps: Sequence[int]) -> tuple[float, float]:
    """Return the longest time between two messages [s], and how long after the first message it begins [s]."""
    if len(stamps) < 2:
        return 0.0, 0.0
    intervals = _intervals(stamps)
    at = int(intervals.argmax())
    return float(intervals[at]), (stamps[at] - stamps[0]) / 1e9


def clock_fault(delays: Mapping[str, Sequence[int]]) -> str | None:
    """Return which topic's stamps are of another clock than those of the first topic, None if all are of one.

    Args:
        delays: of each topic's messages from their stamp until they were recorded [ns].
    """
    medians = {topic: float(np.median(values)) / 1e9 for topic, values in delays.items() if len(values)}
    reference = next(iter(medians), None)
    for topic, median in medians.items():
        offset = medians[str(reference)] - median
        if abs(offset) > _LARGEST_OFFSET_S:
            side = "ahead of" if offset > 0 else "behind"
            return f"the stamps of {topic} are {abs(offset):.2f} s {side} those of {reference}; synchronize the clocks"
    return None


def _intervals(stamps: Sequence[int]) -> np.ndarray:
    return np.diff(np.array(stamps, np.int64)) / 1e9

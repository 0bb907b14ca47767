"""Reasons not to send a command: pure checks, each returning one line or None. No ROS, no torch."""

from collections.abc import Sequence

import numpy as np

_TOLERANCE = 1e-3  # relative amount by which an action may exceed its limit: rounding


def action_fault(action: np.ndarray, limits: np.ndarray) -> str | None:
    """Return why an action (dim,) cannot be sent at all; `limits` (dim,) are the largest magnitudes."""
    if action.shape != limits.shape:
        return f"action has shape {action.shape}, expected {limits.shape}"
    if not np.isfinite(action).all():
        return f"action is not finite: {np.array2string(action, precision=3)}"
    if (np.abs(action) > limits * (1 + _TOLERANCE)).any():
        found, allowed = (np.array2string(values, precision=3) for values in (action, limits))
        return f"action is {found}, the contract allows magnitudes of {allowed}"
    return None


def age_fault(stamp: int, now: int, max_age: int) -> str | None:
    """Return why data with this stamp is too old, or too far in the future, to act on now [ns]."""
    age = now - stamp
    if age > max_age:
        found, allowed = f"data is {age / 1e9:.3f} s old", f"at most {max_age / 1e9:g} s are allowed"
        return f"{found}, {allowed} (is the computer or the network overloaded, or are the clocks not synchronized?)"
    if age < -max_age:
        return f"data is stamped {-age / 1e9:.3f} s in the future (are the clocks synchronized?)"
    return None


def joint_fault(positions: np.ndarray, limits: np.ndarray, names: Sequence[str], units: Sequence[str]) -> str | None:
    """Return which of the joints at `positions` (n,) is beyond its `limits` (n, 2), in their `units`."""
    beyond = (positions < limits[:, 0]) | (positions > limits[:, 1])
    if not beyond.any():
        return None
    index = int(np.argmax(beyond))
    low, high = limits[index]
    return f"joint {names[index]} is at {positions[index]:.3f} {units[index]}, its limits are {low:g} to {high:g}"

"""Reasons not to send a command."""

import numpy as np
import pytest

from lossless_ros.control.faults import action_fault, age_fault, joint_fault


def test_action_of_another_shape_is_rejected() -> None:
    assert action_fault(np.zeros(4), np.ones(5)) == "action has shape (4,), expected (5,)"
    assert action_fault(np.zeros(5), np.ones(5)) is None


def test_joint_beyond_its_limits_is_named() -> None:
    limits = np.array([[-1.0, 1.0], [-2.0, 2.0]])
    assert joint_fault(np.array([0.9, -1.9]), limits, ["a", "b"], ["rad", "m"]) is None
    fault = joint_fault(np.array([0.9, -2.1]), limits, ["a", "b"], ["rad", "m"])
    assert fault == "joint b is at -2.100 m, its limits are -2 to 2"


@pytest.mark.parametrize(
    ("now", "expected"),
    [(10, None), (110, None), (111, "data is"), (0, None), (-91, "in the future")],
)
def test_age_of_data(now: int, expected: str | None) -> None:
    fault = age_fault(stamp=10, now=now, max_age=100)
    assert fault is None if expected is None else expected in str(fault)

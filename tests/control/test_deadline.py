"""The deadline of inference."""

from lossless_ros.control.deadline import Deadline


def test_two_late_inferences_in_a_row_are_a_fault() -> None:
    deadline = Deadline(50_000_000)
    assert deadline.fault(60_000_000) is None
    assert deadline.fault(61_000_000) == "inference took 61 ms, the deadline is 50 ms; twice in a row"
    assert deadline.fault(62_000_000) is not None
    assert deadline.missed == 3


def test_inference_in_time_starts_the_count_again() -> None:
    deadline = Deadline(50)
    assert [deadline.fault(duration) for duration in (51, 50, 51, 49)] == [None] * 4
    assert deadline.missed == 2

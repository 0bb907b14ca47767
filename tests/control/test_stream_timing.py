"""The timing of a contract's streams: what is reported, and what stops the robot."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.control.stream_timing import StreamTiming
from lossless_ros.observation.timing import SLOWEST, rate_fault

CONTRACT = load_contract("rgb_stacking")  # 20 Hz
CAMERA = CONTRACT.streams[0]
START = 1_700_000_000.0  # s


def add(timing: StreamTiming, stream: str, parts: tuple[str, ...], stamps: np.ndarray, offset: float = 0.01) -> None:
    for stamp in START + stamps:
        timing.add(stream, parts, round(1e9 * stamp), round(1e9 * (stamp + offset)))


@pytest.mark.parametrize(
    ("rate", "is_reported", "stops"),
    [(30, False, False), (20, False, False), (18, True, False), (14, True, True), (8, True, True)],
)
def test_slow_stream_is_reported_and_under_three_quarters_stops(rate: int, is_reported: bool, stops: bool) -> None:
    timing = StreamTiming(CONTRACT)
    assert timing.rate_fault(CAMERA) is None  # nothing is known yet
    add(timing, CAMERA, ("",), np.arange(0, 3, 1 / rate))
    assert (timing.rate_fault(CAMERA) is not None) == is_reported
    assert (timing.rate_fault(CAMERA, SLOWEST) is not None) == stops
    if is_reported:
        assert timing.rate_fault(CAMERA) == f"comes at {rate:.1f} Hz, contract 'rgb_stacking' needs 20 Hz"


@pytest.mark.parametrize("rate", [14.5, 15.5, 20.0])
def test_recordings_and_live_streams_are_refused_at_the_same_rate(rate: float) -> None:
    timing, stamps = StreamTiming(CONTRACT), np.arange(0, 3, 1 / rate)
    add(timing, CAMERA, ("",), stamps)
    recorded = rate_fault(CONTRACT, CAMERA, [round(1e9 * (START + stamp)) for stamp in stamps])
    assert (recorded is None) == (timing.rate_fault(CAMERA, SLOWEST) is None) == (rate >= 15)


def test_the_slowest_part_of_a_stream_counts() -> None:
    """Arm and gripper publish on the same topic from two nodes."""
    timing = StreamTiming(CONTRACT)
    add(timing, "joint_states", ("right_j0", "right_j1"), np.arange(0, 3, 0.002))
    add(timing, "joint_states", ("robotiq_85_left_knuckle_joint",), np.arange(0, 3, 0.1), offset=-3.0)
    assert str(timing.rate_fault("joint_states", SLOWEST)).startswith("comes at 10.0 Hz")
    assert timing.offset("joint_states") == pytest.approx(-3.0)
    assert "3.000 s ahead of the node's clock" in str(timing.stamp_fault("joint_states"))


def test_lost_images_are_reported_but_no_lost_joints() -> None:
    stamps = np.arange(0, 20, 1 / 30)
    stamps = stamps[np.random.default_rng(0).random(len(stamps)) < 0.43]
    timing = StreamTiming(CONTRACT)
    add(timing, CAMERA, ("",), stamps)
    add(timing, "tcp_pose", ("",), stamps)
    assert str(timing.loss(CAMERA)).startswith("is published at 30 Hz, received at 1")
    assert timing.loss("tcp_pose") is None


def test_a_source_that_another_one_has_replaced_does_not_count() -> None:
    """One node published all joints, slowly, and then two nodes publish them."""
    timing = StreamTiming(CONTRACT)
    add(timing, "joint_states", ("right_j0", "robotiq_85_left_knuckle_joint"), np.arange(0, 3, 0.2))
    assert timing.rate_fault("joint_states", SLOWEST) is not None
    for joint in ("right_j0", "robotiq_85_left_knuckle_joint"):
        add(timing, "joint_states", (joint,), np.arange(3, 6, 0.05))
    assert timing.rate_fault("joint_states", SLOWEST) is None
    add(timing, "joint_states", (), np.arange(3, 6, 1.0))  # joints of another device
    assert timing.rate_fault("joint_states", SLOWEST) is None

"""Delays of images and commands."""

import numpy as np
import pytest
from lossless_sim.control import Command
from lossless_sim.domains.delay import DelayBuffer, JitteredDelay
from lossless_sim.latency import CommandLatency
from lossless_sim.scene.physics import physics


def test_delay_buffer_returns_earlier_items() -> None:
    delay: DelayBuffer[int] = DelayBuffer(2)
    assert [delay(i) for i in range(5)] == [0, 0, 0, 1, 2]


def test_jittered_delay_of_whole_periods_does_not_jitter() -> None:
    delay: JitteredDelay[int] = JitteredDelay(0.05 / 0.05, np.random.default_rng(0))
    assert [delay(i) for i in range(5)] == [0, 0, 1, 2, 3]


def test_jittered_delay_has_the_requested_mean_and_keeps_the_order() -> None:
    delay: JitteredDelay[int] = JitteredDelay(1.3, np.random.default_rng(0))
    arrived = np.array([delay(i) for i in range(4000)])
    lateness = np.arange(4000) - arrived
    assert (np.diff(arrived) >= 0).all()
    assert set(lateness[2:]) == {1, 2}
    assert lateness.mean() == pytest.approx(1.3, abs=0.05)


def test_command_latency_covers_whole_periods_and_substeps() -> None:
    """A delay of 70 ms is one control period of 25 substeps and 10 substeps more."""
    latency = CommandLatency(0.07, physics("fast"))
    sent = [Command(np.zeros(7), float(number)) for number in range(4)]
    active = [[(command.gripper, substeps) for command, substeps in latency.schedule(one)] for one in sent]
    assert active[0] == [(0.0, 25)]
    assert active[1] == [(0.0, 10), (0.0, 15)]
    assert active[2] == [(0.0, 10), (1.0, 15)]
    assert active[3] == [(1.0, 10), (2.0, 15)]

"""`lossless bench latency`: mistakes are told before anything starts."""

import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros.errors import LosslessError  # noqa: E402
from lossless_ros.nodes.bench_latency import bench_latency  # noqa: E402


def test_no_period_is_nothing_to_measure() -> None:
    with pytest.raises(LosslessError, match="--periods is 0, expected at least 1"):
        bench_latency(["tf_efficientnet_lite0"], 0)

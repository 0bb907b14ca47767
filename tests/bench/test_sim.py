"""`lossless bench sim`: its fields, and wrong arguments."""

import importlib.util
import json

import pytest

from lossless_ros.bench.sim import bench_sim
from lossless_ros.errors import LosslessError


def test_every_figure_is_measured() -> None:
    result = json.loads(json.dumps(bench_sim(steps=3, resets=1)))
    assert set(result["step_over_package"]) == {"franka_kitchen", "metaworld"}
    assert {"steps_per_s_state", "steps_per_s_3cameras", "reset_s", "rss_mb", "reference"} <= set(result)
    assert all(result[name] > 0 for name in ("steps_per_s_state", "steps_per_s_3cameras", "reset_s"))
    assert 50 < result["rss_mb_state"] < result["rss_mb"] < 1000
    if importlib.util.find_spec("rgb_stacking") is None:
        assert result["reference"] is None


@pytest.mark.parametrize("bad", [{"steps": 0}, {"resets": 0}])
def test_steps_and_resets_must_be_positive(bad: dict[str, int]) -> None:
    with pytest.raises(LosslessError, match="is 0, expected at least 1"):
        bench_sim(**bad)

"""`lossless bench adapters`: its fields, and wrong arguments."""

import json
import subprocess
import sys

import pytest

from lossless_ros.bench.adapters import bench_adapters
from lossless_ros.errors import LosslessError


def test_command_measures_every_figure_and_prints_json_alone() -> None:
    command = [sys.executable, "-c", "from lossless_ros.cli.app import main; main()"]
    command += ["bench", "adapters", "--backbone", "tf_efficientnet_lite0", "--rounds", "1", "--json", "-"]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rows = [r for r in result["rows"] if r["device"] == "cpu"]
    assert [r["batch"] for r in rows] == [2, 16]
    ratios = ("adapted_over_bare", "mixed8_over_single", "serial8_over_single", "switch_ms")
    assert all(row[name] > 0 for row in rows for name in ratios)
    assert all(0 < row["adapter_share"] <= 0.012 for row in rows)
    for row in rows:  # counted, not timed
        assert 1 < row["memory_100_tasks_over_bare"] < row["memory_100_tasks_over_bare_float32"] < 2


def test_rounds_must_be_positive() -> None:
    with pytest.raises(LosslessError, match="rounds is 0, expected at least 1"):
        bench_adapters(["tf_efficientnet_lite0"], rounds=0)


def test_unknown_backbone_is_named() -> None:
    with pytest.raises(LosslessError, match="unknown backbone 'resnet51'"):
        bench_adapters(["resnet51"])

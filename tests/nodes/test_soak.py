"""The soak test of benchmarks/soak.py for a few seconds; the hour is run by hand."""

from pathlib import Path

from benchmarks.soak import soak


def test_short_soak_misses_no_stop(tmp_path: Path) -> None:
    result = soak(minutes=0.1, every=3.0, patience=5.0, runtime="torch", folder=tmp_path)
    assert result["stops"]["expected"] >= 1 and result["stops"]["missed"] == 0
    assert result["commands"] > 0 and 0 < result["memory_mb"]["first"] <= result["memory_mb"]["largest"]

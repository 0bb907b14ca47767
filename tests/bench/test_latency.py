"""`lossless bench latency`: inference alone, and mistakes reported before anything starts."""

from pathlib import Path

import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros.bench.latency import _measure_inference, _Measurement, _write_bundles, bench_latency  # noqa: E402
from lossless_ros.contract import load_contract  # noqa: E402
from lossless_ros.errors import LosslessError  # noqa: E402
from lossless_ros.models.policy import load_policy  # noqa: E402


def test_backbone_without_its_weights_gets_random_ones_that_the_node_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOSSLESS_ALLOW_HUB", raising=False)
    contract = load_contract("rgb_stacking")
    bundles = {label: tmp_path / f"{label}.safetensors" for label in ("adapted", "bare")}
    _write_bundles(bundles, "resnet18", contract)
    for bundle in bundles.values():
        assert load_policy(bundle, "cpu").backbone.source == f"file {tmp_path / 'adapted.pt'}"
    alone = _measure_inference(bundles, _Measurement(contract, periods=2, device="cpu", runtime="torch"))
    assert set(alone) == set(bundles)
    assert alone["adapted"]["precision"] == "float32"
    assert 0 < alone["bare"]["inference_ms"]["p50"] <= alone["bare"]["inference_ms"]["max"]


def test_periods_must_be_positive() -> None:
    with pytest.raises(LosslessError, match="--periods is 0, expected at least 1"):
        bench_latency(["tf_efficientnet_lite0"], 0)

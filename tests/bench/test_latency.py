"""`lossless bench latency`: mistakes are told before anything starts."""

from pathlib import Path

import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros.bench.latency import _inference, _write_bundles, bench_latency  # noqa: E402
from lossless_ros.contract import load_contract  # noqa: E402
from lossless_ros.errors import LosslessError  # noqa: E402
from lossless_ros.models.policy import load_policy  # noqa: E402


def test_backbone_without_its_weights_gets_random_ones_that_the_node_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOSSLESS_ALLOW_HUB", raising=False)
    bundles = {what: tmp_path / f"{what}.safetensors" for what in ("adapted", "bare")}
    _write_bundles(bundles, "resnet18", contract := load_contract("rgb_stacking"))
    for bundle in bundles.values():
        assert load_policy(bundle, "cpu").backbone.source == f"file {tmp_path / 'adapted.pt'}"
    alone = _inference(bundles, contract, 2, "cpu", "torch")
    assert set(alone) == set(bundles) and alone["adapted"]["precision"] == "float32"
    assert 0 < alone["bare"]["inference_ms"]["p50"] <= alone["bare"]["inference_ms"]["max"]


def test_no_period_is_nothing_to_measure() -> None:
    with pytest.raises(LosslessError, match="--periods is 0, expected at least 1"):
        bench_latency(["tf_efficientnet_lite0"], 0)

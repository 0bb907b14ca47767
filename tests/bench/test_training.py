import json

import pytest
import torch

from lossless_ros.bench.training import _make_trainer, _Mode, _synthetic_episode, bench_training
from lossless_ros.contract import load_contract
from lossless_ros.episodes.dataset import Dataset
from lossless_ros.errors import LosslessError
from lossless_ros.training.distributed import ProcessGroup
from lossless_ros.training.hyperparameters import load_hyperparameters


def test_figures_are_complete_and_consistent():
    result = bench_training(rounds=1, batch=2, device="cpu")
    assert json.loads(json.dumps(result)) == result
    step = result["step_ms"]
    assert result["adapters_over_full"] == step["adapters"] / step["full"]
    assert result["cached_speedup_top"] == step["top_images"] / step["top_cached"]
    assert 0 < result["memory_adapters_over_full"] < 0.6
    assert result["trained"]["frozen_images"] == result["trained"]["frozen_cached"] < result["trained"]["adapters"]


def test_backbone_without_its_weights_gets_random_ones(tmp_path, monkeypatch):
    monkeypatch.delenv("LOSSLESS_ALLOW_HUB", raising=False)
    hyperparameters, contract = load_hyperparameters("default"), load_contract("rgb_stacking")
    data = Dataset([_synthetic_episode(contract, str(tmp_path))])
    mode, group = _Mode("frozen", cached=False), ProcessGroup(torch.device("cpu"))
    trainer = _make_trainer(mode, hyperparameters, contract, "resnet18", data, group)
    assert trainer.backbone.source == "random"


@pytest.mark.parametrize(
    ("options", "line"), [({"rounds": 0}, "rounds is 0"), ({"backbone": "resnet51"}, "unknown backbone")]
)
def test_wrong_argument_is_one_line(options, line):
    with pytest.raises(LosslessError, match=line):
        bench_training(**options)

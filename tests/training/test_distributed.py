"""Two processes under torchrun against one: the same batches, the same policy up to rounding."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.distributed import Group
from lossless_ros.training.hyperparameters import Hyperparameters

LITE0 = "tf_efficientnet_lite0"
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from lossless_ros.contract import Contract
from lossless_ros.contract.config import from_mapping
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.hyperparameters import Hyperparameters

folder, out, job = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
torch.set_num_threads(1)
config, contract = from_mapping(Hyperparameters, job["config"], "config"), from_mapping(Contract, job["contract"], "contract")
result = train([folder], "tf_efficientnet_lite0", "adapters", out, config, contract)
out.with_suffix(f".{'first' if result else 'other'}").write_text(json.dumps(result))
"""


@pytest.mark.parametrize("head_start", [2, 4], ids=["both phases", "features alone"])
def test_two_processes_train_the_policy_of_one(episodes, contract, config, tmp_path, head_start):
    """With a last instant that not every part has, and a batch that does not divide evenly."""
    config = dataclasses.replace(config, steps=4, head_warmup_steps=head_start, batch_size=5, chunk_size=3)
    alone, together = tmp_path / "alone.safetensors", tmp_path / "together.safetensors"
    expected = train([episodes], LITE0, "adapters", alone, config, contract)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "job.json").write_text(
        json.dumps({"config": dataclasses.asdict(config), "contract": dataclasses.asdict(contract)})
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    arguments = [tmp_path / "script.py", episodes, together, tmp_path / "job.json"]
    ran = subprocess.run([*command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stderr[-2000:]
    result = json.loads(together.with_suffix(".first").read_text())
    assert json.loads(together.with_suffix(".other").read_text()) == {}
    assert result["bundle_hash"] == read_bundle(together).hash
    for one, other in zip(expected["curve"], result["curve"], strict=True):
        assert one["held_out_loss"] == pytest.approx(other["held_out_loss"], abs=1e-4)
        if one["train_loss"] is not None:
            assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
    ours, theirs = load_bundle(alone)[1], load_bundle(together)[1]
    start = dataclasses.replace(config, steps=1, learning_rate=1e-12, head_warmup_steps=0)
    train([episodes], LITE0, "adapters", tmp_path / "start.safetensors", start, contract)
    before = load_bundle(tmp_path / "start.safetensors")[1]
    for name, tensor in ours.items():
        moved = (tensor - before[name]).abs().max()
        assert (theirs[name] - tensor).abs().max() <= 0.05 * moved + 1e-6, name


def test_parts_are_disjoint_and_whole():
    parts = [Group(rank, 3).part(8).tolist() for rank in range(3)]
    assert sorted(sum(parts, [])) == list(range(8)) and max(map(len, parts)) - min(map(len, parts)) == 1
    assert Group().mean(torch.tensor(2.5)) == 2.5 and Group().first


def test_time_limit_is_for_one_process(episodes, contract, config, tmp_path, monkeypatch):
    from lossless_ros.training import behavior_cloning as behavior_cloning

    class Two:
        def __init__(self, device):
            self.device = device

        def __enter__(self):
            return Group(0, 2), self.device

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(behavior_cloning, "joined", Two)
    timed: Hyperparameters = dataclasses.replace(config, max_minutes=1.0)
    with pytest.raises(LosslessError, match="max_minutes is for one process"):
        train([episodes], LITE0, "top", tmp_path / "b.safetensors", timed, contract)

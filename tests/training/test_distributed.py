"""Two processes under torchrun against one: the same batches, the same policy up to rounding."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.training import behavior_cloning
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.distributed import ProcessGroup

SCRIPT = """
import contextlib, json, sys
from pathlib import Path
import torch
from lossless_ros.contract import Contract
from lossless_ros.contract.config import from_mapping
from lossless_ros.training import behavior_cloning
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.distributed import process_group
from lossless_ros.training.hyperparameters import Hyperparameters

episodes, jobs = Path(sys.argv[1]), Path(sys.argv[2])

def train_all():
    for number, job in enumerate(json.loads(jobs.read_text())):
        out = jobs.parent / f"{number}.safetensors"
        result = train(TrainConfig(
            data=episodes,
            out=out,
            mode=job["mode"],
            hyperparameters=from_mapping(Hyperparameters, job["hyperparameters"], "hyperparameters"),
            contract=from_mapping(Contract, job["contract"], "contract"),
        ))
        out.with_suffix(f".{'main' if result else 'other'}").write_text(json.dumps(result))

torch.set_num_threads(1)
with process_group(torch.device("cpu")) as group:  # torchrun's store serves one group
    behavior_cloning.process_group = lambda device: contextlib.nullcontext(group)
    train_all()
"""

CASES = {
    "both phases": ("adapters", {"head_warmup_steps": 2}),
    "cached features only": ("adapters", {"head_warmup_steps": 4}),
    "keypoints in both phases, object positions of some episodes": (
        "adapters",
        {"head_warmup_steps": 2, "top": "keypoints", "object_position_weight": 1.0, "object_width_weight": 0.5},
    ),
    "keypoints of a copy": ("full", {"top": "keypoints"}),  # the copy's last layers get no gradient
}


def settings(hyperparameters, case):
    """Chunks that end in some shares only, and a batch that does not divide evenly."""
    mode, changes = CASES[case]
    return mode, replace(hyperparameters, **{"steps": 4, "batch_size": 5, "chunk_size": 3, **changes})


@pytest.fixture(scope="module")
def together(episodes, contract, hyperparameters, tmp_path_factory):
    """Return the folder with what two processes trained, case by case."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "script.py").write_text(SCRIPT)
    jobs = []
    for case in CASES:
        mode, changed = settings(hyperparameters, case)
        jobs.append({"mode": mode, "hyperparameters": asdict(changed), "contract": asdict(contract)})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    arguments = [folder / "script.py", episodes, folder / "jobs.json"]
    ran = subprocess.run([*command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_the_policy_of_one(job, together, hyperparameters, tmp_path, case):
    mode, hyperparameters = settings(hyperparameters, case)
    job = replace(job, mode=mode, hyperparameters=hyperparameters)
    out = together / f"{list(CASES).index(case)}.safetensors"
    expected = train(job)
    result = json.loads(out.with_suffix(".main").read_text())
    assert json.loads(out.with_suffix(".other").read_text()) == {}
    assert result["bundle_hash"] == read_bundle(out).hash
    for one, other in zip(expected["curve"], result["curve"], strict=True):
        assert one["held_out_loss"] == pytest.approx(other["held_out_loss"], abs=1e-4)
        if one["train_loss"] is not None:
            assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
    ours, theirs = load_bundle(job.out)[1], load_bundle(out)[1]
    hardly_trained = replace(hyperparameters, steps=1, learning_rate=1e-12, head_warmup_steps=0)
    train(replace(job, out=tmp_path / "start.safetensors", hyperparameters=hardly_trained))
    before = load_bundle(tmp_path / "start.safetensors")[1]
    for name, tensor in ours.items():
        change = (tensor - before[name]).abs().max()
        assert (theirs[name] - tensor).abs().max() <= 0.05 * change + 1e-6, name


def test_shares_are_disjoint_complete_and_even():
    cpu = torch.device("cpu")
    shares = [ProcessGroup(cpu, rank, 3).share(8).tolist() for rank in range(3)]
    assert sorted(sum(shares, [])) == list(range(8))
    assert max(map(len, shares)) - min(map(len, shares)) == 1
    assert ProcessGroup(cpu).mean(torch.tensor(2.5)) == 2.5
    assert ProcessGroup(cpu).is_main


def test_time_limit_is_for_one_process(job, hyperparameters, monkeypatch):
    monkeypatch.setattr(
        behavior_cloning, "process_group", lambda device: contextlib.nullcontext(ProcessGroup(device, 0, 2))
    )
    timed = replace(hyperparameters, max_minutes=1.0)
    with pytest.raises(LosslessError, match="max_minutes is for one process"):
        train(replace(job, hyperparameters=timed))

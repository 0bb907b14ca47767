"""What a command costs is said before it starts, if it is much; defaults are those that the documentation advises."""

import inspect
from pathlib import Path

import pytest

from lossless_ros.cli import cost
from lossless_ros.cli.collect import collect
from lossless_ros.cli.dagger import dagger
from lossless_ros.cli.train import train
from lossless_ros.simulation.env import find_suite
from lossless_ros.training.hyperparameters import load_hyperparameters, settings_for_this_machine


def test_a_large_collection_says_its_time_and_space(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cost.os, "cpu_count", lambda: 2)
    cost.announce_collection(400, tmp_path / "data", "8", "raw", 400)
    line = capsys.readouterr().err
    assert line.startswith(f"400 episodes: about 22 min, about 10.8 GB in {tmp_path / 'data'} (") and "are free" in line
    cost.announce_collection(3, tmp_path / "data", "2", "jpeg", 400)
    assert capsys.readouterr().err == ""


def test_a_long_evaluation_says_its_time(capsys, monkeypatch):
    monkeypatch.setattr(cost.os, "cpu_count", lambda: 2)
    cost.announce_evaluation(50, 2, 400, policies=2)
    cost.announce_evaluation(2, 2, 400)
    assert capsys.readouterr().err == "100 episodes of up to 400 steps: about 17 min\n"


def test_training_on_large_recordings_says_what_the_cache_takes(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "_MUCH_BYTES", 1e6)
    (tmp_path / "episode").mkdir()
    (tmp_path / "episode" / "a.mcap").write_bytes(bytes(200_000_000))
    cost.announce_training([tmp_path], Path("/cache"))
    assert "not in the cache yet: about 0.2 GB in /cache (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (collect, {"expert": "auto", "expert_noise": None, "gripper_noise": None}),
        (dagger, {"expert": "auto", "config": "auto"}),
        (train, {"config": "auto"}),
    ],
)
def test_defaults_are_what_the_documentation_advises(command, values):
    parameters = inspect.signature(command).parameters
    assert {name: parameters[name].default for name in values} == values
    suite = find_suite("rgb_stacking/triplet1")  # what auto stands for
    assert (suite.expert, suite.expert_noise, suite.gripper_noise, suite.domain) == (
        "reactive",
        0.3,
        0.15,
        "randomized",
    )


@pytest.mark.parametrize(("gpu", "name"), [(True, "default"), (False, "stacking")])
def test_settings_are_those_for_the_device(gpu, name, monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert load_hyperparameters("auto") == load_hyperparameters(name)
    assert settings_for_this_machine() == name
    assert capsys.readouterr().err == ""  # a mistake is told in one line; training names them later

"""DAgger on the real simulator and the real backbone, with episodes of a few steps."""

import dataclasses
import json

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.simulation.collect import collect
from lossless_ros.training import dagger_rollouts as rollouts
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.dagger import DaggerConfig, dagger
from lossless_ros.training.dagger_rollouts import RolloutConfig, roll_out

TASK, STEPS = "rgb_stacking/triplet1", 12


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    out = tmp_path_factory.mktemp("demonstrations")
    collect(TASK, 2, 0, "nominal", out, max_steps=4)
    return out


@pytest.fixture
def student(demonstrations, config, tmp_path):
    config = dataclasses.replace(config, steps=2, only_successful=False)
    out = tmp_path / "student.safetensors"
    train([demonstrations], "tf_efficientnet_lite0", "frozen", out, config, load_contract("rgb_stacking"))
    return out


@pytest.fixture
def short(monkeypatch):
    """Episodes of a few steps, in this process: workers would not know of it."""
    monkeypatch.setattr(rollouts, "run_parallel", in_this_process)


def in_this_process(function, items, workers, setup, setup_args):
    setup(dataclasses.replace(setup_args[0], max_steps=STEPS))
    return map(function, items)


def plan_of(student, out, **changes):
    parts = (student, read_bundle(student).hash, TASK, "nominal", "scripted", 0.5, out, load_contract("rgb_stacking"))
    return dataclasses.replace(RolloutConfig(*parts, max_steps=STEPS), **changes)


def test_rollouts_hold_the_experts_answers_to_what_the_student_met(student, tmp_path):
    alone = plan_of(student, tmp_path / "alone", beta=0.0)
    infos = roll_out(alone, [5, 6], 2, lambda info: None)
    assert [info["seed"] for info in infos] == [5, 6] and all(info["labelled"] == "scripted" for info in infos)
    driven = read_episode(tmp_path / "alone" / "episode_000005", load_contract("rgb_stacking"))
    assert len(driven.frames) == STEPS
    collect(TASK, 1, 5, "nominal", tmp_path / "expert", max_steps=STEPS)
    shown = read_episode(tmp_path / "expert" / "episode_000005", load_contract("rgb_stacking"))
    np.testing.assert_array_equal(driven.actions[0], shown.actions[0])  # the same first instant, the same label
    where = [[f.proprioception for f in e.frames] for e in (driven, shown)]
    assert np.abs(np.subtract(*where))[-1].max() > 1e-3  # but the student went its own way
    expert = plan_of(student, tmp_path / "guided", beta=0.999)
    roll_out(expert, [5], 1, lambda info: None)
    guided = read_episode(tmp_path / "guided" / "episode_000005", load_contract("rgb_stacking"))
    np.testing.assert_array_equal(guided.actions, shown.actions)


def test_an_episode_whose_simulation_is_lost_is_left_out(student, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    domain = tmp_path / "explosive.yaml"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    told = []
    plan = plan_of(student, tmp_path / "own", domain=str(domain), expert="random")
    assert roll_out(plan, [5], 1, told.append) == []
    assert "went unstable at step" in told[0]["unstable"] and not list(plan.out.glob("*"))


def test_rounds_collect_train_and_go_on_where_they_were(student, demonstrations, config, tmp_path, short):
    settings = dataclasses.replace(config, steps=3, only_successful=False)
    plan = DaggerConfig(
        student, (demonstrations,), tmp_path / "rounds", settings, episodes=1, domain="nominal", seed=50
    )
    out = tmp_path / "out.safetensors"
    result = dagger(plan, 2, out)
    assert [r["beta"] for r in result["rounds"]] == [0.5, 0.25]
    assert [r["training"]["data"]["episodes"] for r in result["rounds"]] == [2, 3]
    assert all(r["training"]["data"]["held_out_episodes"] == 1 for r in result["rounds"])
    assert json.loads(json.dumps(result)) == result
    assert read_bundle(out).hash == read_bundle(plan.bundle_after(2)).hash != read_bundle(plan.bundle_after(1)).hash
    before, after = load_bundle(student)[1], load_bundle(plan.bundle_after(1))[1]
    moved = (before["head.0.weight"] - after["head.0.weight"]).abs().max()
    assert 0 < moved < 0.1  # on from the student, not anew
    plan.bundle_after(2).unlink()
    plan.bundle_after(2).with_suffix(".json").unlink()
    assert dagger(plan, 2, out)["rounds"] == [result["rounds"][0], same_but_times(result["rounds"][1], plan)]


def same_but_times(entry, plan):
    again = json.loads(plan.bundle_after(2).with_suffix(".json").read_text())
    assert again["bundle_hash"] == entry["training"]["bundle_hash"]
    return {**entry, "training": again}


def test_failed_episodes_of_a_student_are_trained_on_and_held_out_ones_stay_demonstrations(
    student, demonstrations, tmp_path, short
):
    roll_out(plan_of(student, tmp_path / "own"), [8], 1, lambda info: None)
    paths = find_episodes([tmp_path / "own", demonstrations])
    episodes = decode_episodes(paths, load_contract("rgb_stacking"))
    assert [e.info["success"] for e in episodes] == [False] * 3
    labelled = [dataclasses.replace(e, info={**e.info, "labelled": "x"}) for e in episodes]
    training, held_out = split(labelled, 0.1, only_successful=True)
    assert [e.path for e in training.episodes] == paths[:-1] and [e.path for e in held_out.episodes] == paths[-1:]
    with pytest.raises(LosslessError, match="1 of 3 episodes can be trained on"):
        split(episodes, 0.1, only_successful=True)


def test_mistakes_are_one_line(student, demonstrations, config, tmp_path, short):
    plan = DaggerConfig(student, (demonstrations,), tmp_path / "rounds", config, episodes=1, domain="nominal", seed=50)
    with pytest.raises(LosslessError, match="beta is 1, expected"):
        dataclasses.replace(plan, beta=1)
    with pytest.raises(LosslessError, match="rounds is 0"):
        dagger(plan, 0, tmp_path / "out.safetensors")
    plan.folder.mkdir()
    (plan.folder / "plan.json").write_text(json.dumps({"student": read_bundle(student).hash}))
    with pytest.raises(LosslessError, match="was begun with another bundle; give another --folder"):
        dagger(plan, 1, tmp_path / "out.safetensors")
    roll_out(plan_of(student, tmp_path / "own"), [8], 1, lambda info: None)
    with pytest.raises(LosslessError, match="episode_000008 was collected with another beta"):
        roll_out(plan_of(student, tmp_path / "own", beta=0.1), [8], 1, lambda info: None)


def test_training_begins_with_a_bundle_of_the_same_mode(student, demonstrations, config, tmp_path):
    config = dataclasses.replace(config, only_successful=False)
    with pytest.raises(LosslessError, match="is of mode frozen, not top; train with --mode frozen"):
        train(
            *([demonstrations], "tf_efficientnet_lite0", "top", tmp_path / "b.safetensors", config),
            load_contract("rgb_stacking"),
            begin=student,
        )

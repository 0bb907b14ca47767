"""DAgger with the real simulator and the real backbone, on episodes of a few steps."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.simulation import collect as simulation_collect
from lossless_ros.simulation.collect import CollectConfig, collect
from lossless_ros.training import dagger_rollouts
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.dagger import DaggerConfig, dagger
from lossless_ros.training.dagger_rollouts import RolloutConfig, collect_rollouts

TASK, STEPS = "rgb_stacking/triplet1", 12


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    out = tmp_path_factory.mktemp("demonstrations")
    collect(CollectConfig(TASK, out, episodes=2, domain="nominal", max_steps=4))
    return out


@pytest.fixture
def student(demonstrations, hyperparameters, tmp_path):
    hyperparameters = replace(hyperparameters, steps=2, only_successful=False)
    out = tmp_path / "student.safetensors"
    train(TrainConfig(demonstrations, out, mode="frozen", hyperparameters=hyperparameters))
    return out


@pytest.fixture
def rollouts(student, tmp_path):
    """Short rollouts of the student."""
    return RolloutConfig(
        student=student,
        student_hash=read_bundle(student).hash,
        task=TASK,
        domain="nominal",
        expert="scripted",
        beta=0.5,
        out=tmp_path / "rollouts",
        contract=load_contract("rgb_stacking"),
        max_steps=STEPS,
    )


@pytest.fixture
def job(student, demonstrations, hyperparameters, tmp_path):
    """Two short rounds."""
    return DaggerConfig(
        bundle=student,
        data=demonstrations,
        folder=tmp_path / "rounds",
        out=tmp_path / "out.safetensors",
        rounds=2,
        hyperparameters=replace(hyperparameters, steps=3, only_successful=False),
        episodes=1,
        domain="nominal",
        seed=50,
    )


@pytest.fixture
def short_episodes(monkeypatch):
    """Episodes of a few steps, in this process."""
    monkeypatch.setattr(dagger_rollouts, "run_parallel", run_short_in_this_process)


def run_short_in_this_process(make_worker, items, workers, on_steps):
    (config,) = make_worker.args
    worker = make_worker.func(replace(config, max_steps=STEPS))
    return map(worker, items)


def run_in_this_process(make_worker, items, workers, *progress):
    return map(make_worker(), items)


def ignore(info):
    """Report no progress."""


def test_rollouts_label_the_frames_of_the_student_with_the_expert(rollouts, tmp_path, monkeypatch):
    contract = load_contract("rgb_stacking")
    alone = replace(rollouts, out=tmp_path / "alone", beta=0.0)
    infos = collect_rollouts(alone, [5, 6], 2, ignore)
    for module in (dagger_rollouts, simulation_collect):  # starting a process takes longer than its episode
        monkeypatch.setattr(module, "run_parallel", run_in_this_process)
    assert [info["seed"] for info in infos] == [5, 6]
    assert all(info["labelled"] == "scripted" for info in infos)
    by_student = read_episode(tmp_path / "alone" / "episode_000005", contract)
    assert len(by_student.frames) == STEPS
    assert by_student.object_poses.shape == (STEPS, 3, 7)
    collect(CollectConfig(TASK, tmp_path / "expert", seed=5, domain="nominal", max_steps=STEPS))
    by_expert = read_episode(tmp_path / "expert" / "episode_000005", contract)
    np.testing.assert_array_equal(by_student.actions[0], by_expert.actions[0])  # the same first frame, the same label
    states = [[f.proprioception for f in e.frames] for e in (by_student, by_expert)]
    assert np.abs(np.subtract(*states))[-1].max() > 1e-3  # but the student went elsewhere
    collect_rollouts(replace(rollouts, out=tmp_path / "guided", beta=0.999), [5], 1, ignore)
    guided = read_episode(tmp_path / "guided" / "episode_000005", contract)
    np.testing.assert_array_equal(guided.actions, by_expert.actions)


def test_episode_whose_physics_diverges_is_left_out(rollouts, tmp_path, monkeypatch):
    monkeypatch.setattr(dagger_rollouts, "run_parallel", run_in_this_process)
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log to the working directory
    domain = tmp_path / "explosive.yaml"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    reported = []
    rollouts = replace(rollouts, domain=str(domain), expert="random")
    assert collect_rollouts(rollouts, [5], 1, reported.append) == []
    assert "went unstable at step" in reported[0]["unstable"]
    assert not list(rollouts.out.glob("*"))


def test_rounds_collect_train_and_continue_where_they_were(job, short_episodes):
    result = dagger(job)
    assert [r["beta"] for r in result["rounds"]] == [0.5, 0.25]
    assert [r["training"]["data"]["episodes"] for r in result["rounds"]] == [2, 3]
    assert all(r["training"]["data"]["held_out_episodes"] == 1 for r in result["rounds"])
    assert json.loads(json.dumps(result)) == result
    hashes = [read_bundle(path).hash for path in (job.out, job.student_after(2), job.student_after(1))]
    assert hashes[0] == hashes[1] != hashes[2]
    before, after = load_bundle(job.bundle)[1], load_bundle(job.student_after(1))[1]
    change = (before["head.0.weight"] - after["head.0.weight"]).abs().max()
    assert 0 < change < 0.1  # trained on from the student, not from new weights
    job.student_after(2).unlink()
    job.student_after(2).with_suffix(".json").unlink()
    again = dagger(job)["rounds"]
    assert again[0] == result["rounds"][0]
    stored = json.loads(job.student_after(2).with_suffix(".json").read_text())
    assert stored["bundle_hash"] == result["rounds"][1]["training"]["bundle_hash"]
    assert again[1] == {**result["rounds"][1], "training": stored}  # only the times differ


def test_folder_of_version_0_1_0_is_continued(job, short_episodes):
    job = replace(job, rounds=1)
    result = dagger(job)
    path = job.folder / "plan.json"
    plan = json.loads(path.read_text())
    assert plan == {**result["plan"], "student": read_bundle(job.bundle).hash}
    path.write_text(json.dumps({**plan, "config": job.hyperparameters.under_old_names()}))
    assert dagger(job) == result


def test_failed_episodes_of_a_student_are_trained_on_and_held_out_ones_stay_demonstrations(
    rollouts, demonstrations, short_episodes
):
    collect_rollouts(rollouts, [8], 1, ignore)
    paths = find_episodes([rollouts.out, demonstrations])
    episodes = decode_episodes(paths, load_contract("rgb_stacking"))
    assert [e.info["success"] for e in episodes] == [False] * 3
    labeled = [replace(e, info={**e.info, "labelled": "x"}) for e in episodes]
    training, held_out = split(labeled, 0.1, only_successful=True)
    assert [e.path for e in training.episodes] == paths[:-1]
    assert [e.path for e in held_out.episodes] == paths[-1:]
    with pytest.raises(LosslessError, match="1 of 3 episodes can be trained on"):
        split(episodes, 0.1, only_successful=True)


def test_wrong_arguments_are_one_line(job):
    with pytest.raises(LosslessError, match="beta is 1, expected"):
        replace(job, beta=1)
    with pytest.raises(LosslessError, match="rounds is 0, expected at least 1"):
        replace(job, rounds=0)
    with pytest.raises(LosslessError, match="episodes is 0 and seed 50, expected at least 1 and 0"):
        replace(job, episodes=0)
    with pytest.raises(LosslessError, match="unknown expert 'nobody'"):
        dagger(replace(job, expert="nobody"))
    assert not job.folder.exists()


def test_folder_of_another_job_is_refused(job, short_episodes):
    job.folder.mkdir()
    plan = job.folder / "plan.json"
    plan.write_text(json.dumps({"student": read_bundle(job.bundle).hash}))
    with pytest.raises(LosslessError, match="was started with different bundle; give another --folder"):
        dagger(job)
    plan.write_text("{")
    with pytest.raises(LosslessError, match="plan.json is damaged; remove it if the folder is of this job"):
        dagger(job)


def test_rollouts_of_another_job_are_refused(rollouts, short_episodes):
    collect_rollouts(rollouts, [8], 1, ignore)
    with pytest.raises(LosslessError, match="episode_000008 was collected with different beta"):
        collect_rollouts(replace(rollouts, beta=0.1), [8], 1, ignore)


def test_training_starts_from_a_bundle_of_the_same_mode(student, demonstrations, hyperparameters, tmp_path):
    hyperparameters = replace(hyperparameters, only_successful=False)
    other_mode = TrainConfig(
        demonstrations,
        tmp_path / "b.safetensors",
        mode="top",
        hyperparameters=hyperparameters,
        init_from=student,
    )
    with pytest.raises(LosslessError, match="is of mode frozen, not top; train with --mode frozen"):
        train(other_mode)

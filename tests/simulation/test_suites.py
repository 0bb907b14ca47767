"""Every task of every suite runs on the same contract, data format, training and evaluation."""

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import EvalConfig, evaluate
from lossless_ros.simulation.collect import CollectConfig, CollectWorker, DemonstrationRecorder, collect, with_defaults
from lossless_ros.simulation.env import check_contract, find_suite, make_env, make_expert, make_noise, tasks

STEPS = 3
NAMES = list(tasks())


@pytest.mark.parametrize("task", NAMES)
def test_task_resets_steps_renders_and_is_recorded(task, tmp_path):
    suite = find_suite(task)
    contract = load_contract(suite.contract)
    check_contract(task, contract)
    names = {"expert": "auto", "expert_noise": None, "gripper_noise": None}
    config = with_defaults(CollectConfig(task=task, out=tmp_path, max_steps=STEPS, **names))
    info = CollectWorker(DemonstrationRecorder(config, contract))(3)
    assert info["task"] == task and info["steps"] == STEPS and info["contract"] == contract.name
    episode = read_episode(tmp_path / "episode_000003", contract)
    assert len(episode.frames) == STEPS and not episode.left_out
    assert episode.actions.shape == (STEPS, len(suite.action_high))
    assert (np.abs(episode.actions) <= 1.0001 * suite.action_high).all()
    assert all(image.std() > 10 for frame in episode.frames for image in frame.images), "an image without content"


@pytest.mark.parametrize("suite", sorted({name.partition("/")[0] for name in NAMES}))
def test_same_seed_is_the_same_episode_and_another_is_not(suite):
    task = next(name for name in NAMES if name.startswith(suite))
    observations = []
    for seed in (7, 7, 8):
        env, expert = make_env(task, "nominal"), make_expert("scripted", task, seed)
        observation, info = env.reset(seed=seed)
        for _ in range(3):
            observation, *_, info = env.step(expert.act(observation, info))
        observations.append(observation)
        assert set(observation) == set(env.observation_space)
        for name, value in observation.items():
            assert env.observation_space[name].contains(value), name
    first, second, third = (observation["state"] for observation in observations)
    assert (first == second).all() and not (first == third).all()


@pytest.mark.parametrize("suite", sorted({name.partition("/")[0] for name in NAMES}))
def test_noise_stays_within_the_action_limits(suite):
    task = next(name for name in NAMES if name.startswith(suite))
    high = find_suite(task).action_high
    noise, other = make_noise(task, 1.0, 0, 1.0), make_noise(task, 1.0, 1, 1.0)
    actions = np.array([noise(np.zeros_like(high)) for _ in range(200)])
    assert actions.shape == (200, len(high)) and (np.abs(actions) <= high).all() and actions[:, :-1].std() > 0.01
    assert not np.allclose(actions[0], other(np.zeros_like(high)))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("metaword/hammer:left_cap2", "unknown suite 'metaword'; known: franka_kitchen, metaworld, rgb_stacking"),
        ("metaworld/hammer", "unknown task 'metaworld/hammer'; known: metaworld/assembly:top_cap2"),
        ("metaworld/hammer:left", "unknown task 'metaworld/hammer:left'"),
        ("triplet5", "unknown task 'triplet5', expected suite/name; suites: franka_kitchen, metaworld, rgb_stacking"),
    ],
)
def test_unknown_task_names_the_known_ones(task, message):
    with pytest.raises(LosslessError, match=message):
        find_suite(task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain": "randomized"}, "metaworld has only the domain nominal"),
        ({"expert": "reactive"}, "unknown metaworld expert 'reactive'; known: scripted, random"),
        ({"contract": "rgb_stacking"}, "contract rgb_stacking has camera 'basket_front_left', the simulator of "),
    ],
)
def test_what_a_suite_does_not_have_is_named(changes, message, tmp_path):
    config = CollectConfig(**{"task": "metaworld/hammer:left_cap2", "out": tmp_path, **changes})
    with pytest.raises(LosslessError, match=message):
        collect(config)
    assert not list(tmp_path.iterdir())


def test_evaluation_uses_the_suite_of_the_task():
    result = evaluate(EvalConfig(task="metaworld/button-press-topdown:left_cap2", expert="scripted", episodes=2))
    assert (result["domain"], result["successes"], result["phases"]) == ("nominal", 2, {"solved": 2})
    for episode in result["episodes"]:  # it ends with success
        assert episode["steps"] == round(episode["first_success_s"] / 0.0125) < 100

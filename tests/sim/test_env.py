"""The environment: interface, determinism, motion, errors."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from lossless_sim.actions import NO_MOTION
from lossless_sim.control import MAX_LINEAR, WORKSPACE_HIGH, WORKSPACE_LOW
from lossless_sim.errors import SimError, UnstableError
from lossless_sim.scene import names
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.state_layout import STATE_SIZE, history
from lossless_sim.tasks import load_suite, make_env


def _observed_bytes(steps: int, seed: int, **kwargs: object) -> list[bytes]:
    """Return all observations during some steps of fixed random actions."""
    env = make_env("rgb_stacking/triplet1", **kwargs)
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=seed)
    observed = [obs[key].tobytes() for key in sorted(obs)]
    for _ in range(steps):
        obs, *_ = env.step(rng.uniform(-1, 1, 5).astype(np.float32) * env.action_space.high)
        observed += [obs[key].tobytes() for key in sorted(obs)]
    env.close()
    return observed


@pytest.mark.parametrize("domain", ["nominal", "randomized", "lab"])
def test_same_seed_gives_the_same_bytes(domain: str) -> None:
    assert _observed_bytes(4, seed=5, domain=domain) == _observed_bytes(4, seed=5, domain=domain)


def test_episode_does_not_depend_on_earlier_episodes() -> None:
    env = make_env("rgb_stacking/triplet1", domain="randomized")
    fresh, _ = env.reset(seed=7)
    env.reset(seed=1)
    for _ in range(3):
        env.step(env.action_space.high)
    again, _ = env.reset(seed=7)
    env.close()
    for key in fresh:
        assert np.array_equal(fresh[key], again[key]), key


def test_initial_state_depends_on_the_seed_but_not_on_the_domain() -> None:
    red = {}
    for domain in ("nominal", "lab"):
        env = make_env("rgb_stacking/triplet1", domain=domain, cameras=())
        red[domain] = [env.reset(seed=seed)[1]["objects"]["red"][:2] for seed in (0, 1)]
    assert np.linalg.norm(red["nominal"][0] - red["nominal"][1]) > 0.01
    assert np.allclose(red["nominal"], red["lab"], atol=0.005)


@pytest.mark.parametrize("objects", load_suite("rgb_stacking").tasks)
def test_every_task_resets_and_steps(objects: str) -> None:
    env = make_env(f"rgb_stacking/{objects}", cameras=())
    env.reset(seed=3)
    obs, reward, terminated, truncated, info = env.step(NO_MOTION)
    assert obs["state"].shape == (STATE_SIZE,)
    assert np.isfinite(obs["state"]).all()
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert set(info["objects"]) == set(names.COLORS)
    assert len(info["triplet"]) == 3
    env.close()


def test_observations_are_in_the_declared_spaces() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=("basket_back_left",), image_size=64)
    obs, _ = env.reset(seed=0)
    assert set(obs) == set(env.observation_space.spaces)
    for key, space in env.observation_space.spaces.items():
        assert obs[key].shape == space.shape, key
        assert obs[key].dtype == space.dtype, key
    assert obs["basket_back_left"].std() > 10  # not a uniform image
    env.close()


def test_state_contains_the_poses_of_the_objects() -> None:
    obs, info = make_env("rgb_stacking/triplet1", cameras=()).reset(seed=0)
    for color, pose in info["objects"].items():
        current = history(obs["state"], f"rgb30_{color}/abs_pose")[0]
        assert np.allclose(current[:3], pose[:3], atol=1e-6)
        assert np.allclose(current[3:] * np.sign(pose[6]), pose[[6, 3, 4, 5]], atol=1e-6)


def test_randomized_images_are_neither_black_nor_white() -> None:
    """Light, exposure and the basket's brightness multiply; a clipped image shows no object to learn from."""
    env = make_env("rgb_stacking/triplet1", "randomized", cameras=("basket_front_left",))
    for seed in range(24):
        image = env.reset(seed=seed)[0]["basket_front_left"]
        assert 20 < image.mean() < 205, seed
        assert (image.min(axis=2) > 250).mean() < 0.3, seed
    env.close()


def test_episode_is_truncated_after_400_steps() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    truncated = [env.step(NO_MOTION)[3] for _ in range(400)]
    assert truncated.index(True) == 399


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, -1, 0), (0, 0, 1)])
def test_tcp_follows_the_command_and_stops_at_the_workspace_limit(direction: tuple[int, int, int]) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    obs, _ = env.reset(seed=2)
    for _ in range(60):  # down into the workspace
        obs, *_ = env.step(np.array([0, 0, -MAX_LINEAR, 0, -1], np.float32))
    axis = int(np.argmax(np.abs(direction)))
    action = np.array([*(MAX_LINEAR * np.array(direction)), 0, -1], np.float32)
    speeds, previous = [], obs["tcp_pose"][axis]
    for _ in range(100):
        obs, *_ = env.step(action)
        speeds.append((obs["tcp_pose"][axis] - previous) / 0.05)
        previous = obs["tcp_pose"][axis]
    sign = direction[axis]
    limit = WORKSPACE_HIGH[axis] if sign > 0 else WORKSPACE_LOW[axis]
    assert 0.8 * MAX_LINEAR < sign * np.median(speeds[5:15]) <= 1.01 * MAX_LINEAR
    assert abs(obs["tcp_pose"][axis] - limit) < 0.012  # the servo overshoots a little
    assert np.abs(obs["tcp_pose"][5:7]).max() < 0.03  # still pointing down: qz and qw are zero
    env.close()


def test_sign_of_the_gripper_action_closes_and_opens() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    for sign, angle in ((0.1, 0.8), (0.0, 0.0)):
        for _ in range(45):
            obs, *_ = env.step(np.array([0, 0, 0, 0, sign], np.float32))
        assert abs(obs["gripper_position"][0] - angle) < 0.02


def test_episode_after_an_unstable_simulation_is_unaffected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log to the current folder
    env = make_env("rgb_stacking/triplet1", cameras=())
    fresh, _ = env.reset(seed=1)
    env.unwrapped._data.qvel[:] = 1e12
    with pytest.raises(UnstableError, match="went unstable at step 0; discard the episode"):
        env.step(NO_MOTION)
    again, _ = env.reset(seed=1)
    assert np.array_equal(fresh["state"], again["state"])


def test_reference_physics_has_the_released_solver_settings() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=(), physics="reference")
    env.reset(seed=0)
    option = env.unwrapped._model.opt
    assert (option.timestep, option.noslip_iterations, option.cone) == (0.0005, 5, 1)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"triplet": "triplet9"}, ", ".join(TRIPLETS)),
        ({"triplet": "r3-s0-zz9"}, "unknown object 'zz9'; known: b2"),
        ({"domain": "moon"}, "unknown domain 'moon'; known: lab, nominal, randomized"),
        ({"physics": "exact"}, "known: reference, fast"),
        ({"cameras": ("side",)}, "known: basket_front_left"),
    ],
)
def test_unknown_name_is_a_one_line_error_that_lists_the_known_ones(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(SimError) as error:
        gymnasium.make("lossless/RgbStacking-v0", **kwargs)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(SimError, match="unknown task 'rgb_stacking/x'; known: rgb_stacking/triplet1"):
        make_env("rgb_stacking/x")


def test_process_exits_silently_with_an_open_environment() -> None:
    program = """
import weakref
weakref.finalize(print, print)  # the first finalizer fixes weakref's turn at exit; torch creates some
from lossless_sim.tasks import make_env
env = make_env("rgb_stacking/triplet1", cameras=("basket_front_left",), image_size=64)
env.reset(seed=0)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300
    )
    assert process.returncode == 0
    assert process.stderr == ""

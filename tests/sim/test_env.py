"""The environment: interface, determinism, limits, success."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lossless_sim.control import MAX_LINEAR, WORKSPACE_HIGH, WORKSPACE_LOW
from lossless_sim.errors import SimError, UnstableError
from lossless_sim.scene import names
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.state import SIZE
from lossless_sim.success import stacked
from lossless_sim.tasks import TASKS, make_env

NOTHING = np.array([0, 0, 0, 0, -1], np.float32)


def _episode(steps: int, seed: int, **kwargs: object) -> list[bytes]:
    """Everything observed in some steps of fixed random actions."""
    env = make_env("rgb_stacking/triplet1", **kwargs)
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=seed)
    seen = [obs[key].tobytes() for key in sorted(obs)]
    for _ in range(steps):
        obs, *_ = env.step(rng.uniform(-1, 1, 5).astype(np.float32) * env.action_space.high)
        seen += [obs[key].tobytes() for key in sorted(obs)]
    env.close()
    return seen


@pytest.mark.parametrize("domain", ["nominal", "randomized", "lab"])
def test_one_seed_gives_the_same_bytes_every_time(domain: str) -> None:
    assert _episode(4, seed=5, domain=domain) == _episode(4, seed=5, domain=domain)


def test_an_episode_does_not_depend_on_the_ones_before_it() -> None:
    env = make_env("rgb_stacking/triplet1", domain="randomized")
    fresh, _ = env.reset(seed=7)
    env.reset(seed=1)
    for _ in range(3):
        env.step(env.action_space.high)
    again, _ = env.reset(seed=7)
    env.close()
    assert all(np.array_equal(fresh[key], again[key]) for key in fresh)


def test_seeds_differ_in_the_start_but_domains_do_not() -> None:
    starts = {}
    for domain in ("nominal", "lab"):
        env = make_env("rgb_stacking/triplet1", domain=domain, cameras=())
        starts[domain] = [env.reset(seed=seed)[1]["objects"]["red"][:2] for seed in (0, 1)]
    assert np.linalg.norm(starts["nominal"][0] - starts["nominal"][1]) > 0.01
    assert np.allclose(starts["nominal"], starts["lab"], atol=0.005)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_resets_and_steps(task: str) -> None:
    env = make_env(task, cameras=())
    obs, info = env.reset(seed=3)
    obs, reward, terminated, truncated, info = env.step(NOTHING)
    assert obs["state"].shape == (SIZE,) and np.isfinite(obs["state"]).all()
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert set(info["objects"]) == set(names.COLOURS) and len(info["triplet"]) == 3
    env.close()


def test_observations_are_in_the_declared_spaces() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=("basket_back_left",), image_size=64)
    obs, _ = env.reset(seed=0)
    assert set(obs) == set(env.observation_space.spaces)
    for key, space in env.observation_space.spaces.items():
        assert obs[key].shape == space.shape and obs[key].dtype == space.dtype, key
    assert obs["basket_back_left"].std() > 10  # it shows something
    env.close()


def test_randomized_images_are_neither_black_nor_white() -> None:
    """Light, exposure and the basket's own brightness multiply; what clips shows no object to learn from."""
    env = make_env("rgb_stacking/triplet1", "randomized", cameras=("basket_front_left",))
    for seed in range(24):
        image = env.reset(seed=seed)[0]["basket_front_left"]
        assert 20 < image.mean() < 205, seed
        assert (image.min(axis=2) > 250).mean() < 0.3, seed
    env.close()


def test_an_episode_is_truncated_after_400_steps() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    ends = [env.step(NOTHING)[3] for _ in range(400)]
    assert ends.index(True) == 399


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, -1, 0), (0, 0, 1)])
def test_the_tool_moves_as_commanded_and_stops_at_the_workspace(direction: tuple[int, int, int]) -> None:
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
    assert 0.8 * MAX_LINEAR < sign * np.median(speeds[5:15]) <= 1.01 * MAX_LINEAR
    edge = WORKSPACE_HIGH[axis] if sign > 0 else WORKSPACE_LOW[axis]
    assert abs(obs["tcp_pose"][axis] - edge) < 0.012  # the servo runs on a little
    assert np.abs(obs["tcp_pose"][5:7]).max() < 0.03  # still looking down: qz and qw are zero
    env.close()


def test_the_gripper_closes_and_opens_by_the_sign() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    for sign, angle in ((0.1, 0.8), (0.0, 0.0)):
        for _ in range(45):
            obs, *_ = env.step(np.array([0, 0, 0, 0, sign], np.float32))
        assert abs(obs["gripper_position"][0] - angle) < 0.02


@pytest.mark.parametrize("action", [[0, 0, 0, 0], [0, 0, np.nan, 0, 1], [np.inf, 0, 0, 0, 1]])
def test_a_bad_action_is_an_error_and_not_a_broken_simulation(action: list[float]) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match="five finite numbers"):
        env.step(np.array(action, np.float32))
    obs, *_ = env.step(NOTHING)
    assert np.isfinite(obs["state"]).all()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ([0.08, 0, 0, 0, 0], "action vx is 0.08, expected -0.07 to 0.07"),
        ([0, 0, 0, -2, 0], "action wz is -2, expected -1 to 1"),
        ([0, 0, 0, 0, 255], "action gripper is 255, expected -1 to 1"),
    ],
)
def test_an_action_out_of_range_is_an_error_that_names_the_range(action: list[float], says: str) -> None:
    env = make_env("rgb_stacking/triplet1", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match=says):
        env.step(np.array(action, np.float32))
    env.step(env.action_space.low)  # the limits themselves are allowed
    env.step(env.action_space.high.astype(np.float64))


def test_an_unstable_simulation_is_an_error_and_the_next_episode_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    env = make_env("rgb_stacking/triplet1", cameras=())
    fresh, _ = env.reset(seed=1)
    env.unwrapped._data.qvel[:] = 1e12
    with pytest.raises(UnstableError, match="went unstable at step 0; the episode cannot be used"):
        env.step(NOTHING)
    again, _ = env.reset(seed=1)
    assert np.array_equal(fresh["state"], again["state"])


def _put_red_on_blue(env: object, sideways: float) -> bool:
    """Whether red counts as stacked some time after it was put `sideways` of the middle of blue."""
    core = env.unwrapped  # type: ignore[attr-defined]
    data, ids = core._data, core._cell.ids
    for colour, place in ((2, (0.6, 0.0, 0.075)), (0, (0.6 + sideways, 0.0, 0.125)), (1, (0.7, 0.1, 0.075))):
        start = ids.object_qpos[colour]
        data.qpos[start : start + 7] = [*place, 1, 0, 0, 0]
        data.qvel[ids.object_dof[colour] :][:6] = 0
    for _ in range(20):
        _, reward, *_ = env.step(NOTHING)  # type: ignore[attr-defined]
    assert reward == float(stacked(data, ids))
    return bool(reward)


@pytest.mark.parametrize(("sideways", "expected"), [(0.0, True), (0.01, True), (0.08, False)])
def test_success_is_red_on_blue(sideways: float, expected: bool) -> None:
    env = make_env("rgb_stacking/triplet5", cameras=())
    env.unwrapped._triplet = "s0-g5-s0"  # cubes: any pose stands
    env.reset(seed=0)
    assert _put_red_on_blue(env, sideways) is expected


def test_reference_physics_is_the_released_environments() -> None:
    env = make_env("rgb_stacking/triplet1", cameras=(), physics="reference")
    env.reset(seed=0)
    option = env.unwrapped._model.opt
    assert (option.timestep, option.noslip_iterations, option.cone) == (0.0005, 5, 1)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"triplet": "triplet9"}, ", ".join(TRIPLETS)),
        ({"triplet": "r3-s0-zz9"}, "unknown object 'zz9'; known: b2"),
        ({"domain": "moon"}, "unknown domain 'moon'; known: lab, nominal, randomized"),
        ({"physics": "exact"}, "known: reference, fast"),
        ({"cameras": ("side",)}, "known: basket_front_left"),
    ],
)
def test_unknown_names_list_the_known_ones_in_one_line(kwargs: dict[str, object], says: str) -> None:
    import gymnasium
    import lossless_sim  # noqa: F401

    with pytest.raises(SimError) as error:
        gymnasium.make("lossless/RgbStacking-v0", **kwargs)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(SimError, match="unknown task 'rgb_stacking/x'; known: rgb_stacking/triplet1"):
        make_env("rgb_stacking/x")


def test_a_process_that_ends_with_an_open_environment_says_nothing() -> None:
    program = """
import weakref
weakref.finalize(print, print)  # weakref's turn at the end is fixed by the first of these; torch makes some
from lossless_sim.tasks import make_env
env = make_env("rgb_stacking/triplet1", cameras=("basket_front_left",), image_size=64)
env.reset(seed=0)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=300
    )
    assert (ended.returncode, ended.stderr) == (0, "")

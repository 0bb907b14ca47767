"""Meta-World behind our wrapper: what the package itself computes, in the contract's units."""

import subprocess
import sys

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.suites.metaworld.tasks import ACTION_HIGH, CAMERAS, TASKS, split
from lossless_sim.tasks import find_task, make_env

pytest.importorskip("metaworld")
MISSING = """
import sys
sys.modules["metaworld"] = None
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.env import make_env
try:
    make_env("metaworld/hammer:left_cap2", "nominal")
except LosslessError as error:
    print(error)
"""


def package_env(name, seed):
    """Return the environment as the package makes it, with a start of that seed, and its first observation."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE

    env = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{TASKS[name].name}-goal-observable"](seed=0)
    env._freeze_rand_vec, env.seeded_rand_vec = False, True
    env.seed(seed)
    return env, env.reset()[0]


@pytest.mark.parametrize("name", TASKS)
def test_observations_and_rewards_are_those_of_the_package(name):
    ours = make_env(f"metaworld/{name}:top_cap2", cameras=())
    observation, info = ours.reset(seed=11)
    theirs, state = package_env(name, 11)
    np.testing.assert_array_equal(observation["state"], state)
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, 4).astype(np.float32)
        observation, reward, _, truncated, info = ours.step(action * ACTION_HIGH)
        state, their_reward, _, their_truncated, their_info = theirs.step(action)
        np.testing.assert_allclose(observation["state"], state, atol=1e-6)  # m/s and back in single precision
        assert reward == pytest.approx(their_reward, abs=1e-5) and truncated == their_truncated
        assert info["success"] == bool(their_info["success"])
    np.testing.assert_array_equal(observation["tcp_pose"][:3], observation["state"][:3])
    assert observation["gripper_position"] == observation["state"][3]


@pytest.mark.parametrize("name", TASKS)
def test_expert_solves_the_task_from_ten_starts(name):
    task = f"metaworld/{name}:top_cap2"
    suite, short = find_task(task)
    env, solved = make_env(task, cameras=()), []
    for seed in range(10):
        expert = suite.make_expert("scripted", short, seed)
        observation, info = env.reset(seed=seed)
        for _ in range(300):
            observation, *_, info = env.step(expert.act(observation, info))
            if info["success"]:
                break
        solved.append(info["success"])
    assert sum(solved) >= 9, solved


def test_an_episode_lasts_500_periods():
    env = make_env("metaworld/hammer:top_cap2", cameras=())
    env.reset(seed=0)
    ends = [env.step(np.zeros(4, np.float32))[3] for _ in range(500)]
    assert ends == [False] * 499 + [True]


def test_cameras_are_where_the_evaluation_of_r3m_has_them():
    """A camera of the package's model with that position and target gives the same image."""
    import mujoco

    for name, position in CAMERAS.items():
        env = make_env(f"metaworld/drawer-open:{name}", image_size=96)
        image = env.reset(seed=0)[0]["camera"]
        model, data = env.package_env.model, env.package_env.data
        spec = mujoco.MjSpec.from_file(env.package_env.model_name)
        target = spec.body("tablelink")
        camera = spec.worldbody.add_camera(name=name, pos=position, mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODY)
        camera.targetbody = target.name
        compiled = spec.compile()
        other = mujoco.MjData(compiled)
        other.qpos[:], other.mocap_pos[:], other.mocap_quat[:] = data.qpos, data.mocap_pos, data.mocap_quat
        compiled.body_pos[:], compiled.site_pos[:] = model.body_pos, model.site_pos
        mujoco.mj_forward(compiled, other)
        for site, place in env.package_env._target_site_config:  # the package moves the goal's site by hand
            other.site(site).xpos = place
        renderer = mujoco.Renderer(compiled, 96, 96)
        renderer.update_scene(other, name)
        difference = np.abs(renderer.render().astype(int) - image)
        renderer.close()
        assert difference.mean() < 2, f"{name}: {difference.mean():.1f}"


def test_names_are_those_of_the_paper():
    assert [split(f"{task}:{camera}")[1] for task in TASKS for camera in CAMERAS] == [*CAMERAS] * 5
    assert [*TASKS] == ["assembly", "bin-picking", "button-press-topdown", "drawer-open", "hammer"]


@pytest.mark.parametrize("action", [np.zeros(5), np.full(4, np.nan)])
def test_action_that_is_not_four_numbers_is_refused(action):
    env = make_env("metaworld/hammer:top_cap2", cameras=())
    env.reset(seed=0)
    with pytest.raises(SimError, match="an action is four finite numbers"):
        env.step(action)


def test_missing_package_is_one_line():
    result = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Meta-World is not installed (") and "lossless_ros[suites]" in result.stdout

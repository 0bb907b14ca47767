"""The Franka Kitchen behind our wrapper: what the package itself computes, random starts, experts."""

import subprocess
import sys

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.suites.franka_kitchen.kitchen import KitchenPose, load_model, model_path
from lossless_sim.suites.franka_kitchen.tasks import ACTION_HIGH, TASKS, split
from lossless_sim.suites.franka_kitchen.views import PLACES, VIEWS
from lossless_sim.tasks import find_task, make_env

gymnasium_robotics = pytest.importorskip("gymnasium_robotics")
MISSING = """
import sys
sys.modules[sys.argv[1]] = None
from lossless_ros.errors import LosslessError
from lossless_ros.simulation.env import make_expert
try:
    make_expert("scripted", "franka_kitchen/micro_open:default", 0)
except LosslessError as error:
    print(error)
"""


def make(name, domain="nominal", **kwargs):
    return make_env(f"franka_kitchen/{name}:left_cap2", domain, **{"cameras": (), **kwargs}).unwrapped


def run(env, expert, seed, steps=280):
    """Return the actions of an episode of the expert, up to success."""
    observation, info = env.reset(seed=seed)
    actions = []
    while not info["success"] and len(actions) < steps:
        actions.append(expert.act(observation, info))
        observation, *_, info = env.step(actions[-1])
    return actions, info["success"]


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.element])
def test_observations_and_rewards_are_those_of_the_package(name):
    from gymnasium_robotics.envs.franka_kitchen import KitchenEnv

    ours = make(name)
    observation, info = ours.reset(seed=11)
    theirs = KitchenEnv(tasks_to_complete=[TASKS[name].element], remove_task_when_completed=False)
    theirs.robot_env.init_qpos = info["qpos"].copy()
    model = theirs.model
    pose = KitchenPose.from_array(info["kitchen"])
    model.body("desk").pos = pose.x, pose.y, pose.z
    state, _ = theirs.reset(seed=11)
    np.testing.assert_array_equal(observation["state"], state["observation"])
    rng, joints = np.random.default_rng(0), list(TASKS[name].joints)
    for step in range(20):
        if step == 10:  # where the goal is, so that both rewards are seen
            for env in (ours.package_env, theirs):
                env.data.qpos[joints] = TASKS[name].goal
        action = rng.uniform(-0.2, 0.2, 9).astype(np.float32)
        observation, reward, *_ = ours.step(action * 2)
        state, their_reward, *_ = theirs.step(action)
        np.testing.assert_allclose(observation["state"], state["observation"], atol=1e-9)
        assert reward == their_reward == float(step >= 10), step


@pytest.mark.parametrize("name", TASKS)
def test_expert_solves_the_task_in_both_domains(name):
    suite, short = find_task(f"franka_kitchen/{name}:left_cap2")
    expert = suite.make_expert("scripted", short, 0)
    solved = [run(make(name, domain), expert, seed)[1] for domain in ("nominal", "randomized") for seed in range(2)]
    assert sum(solved) >= 3, solved


@pytest.mark.parametrize("name", ["micro_open", "knob1_on"])
def test_replaying_an_episode_fails_from_other_starts(name):
    suite, short = find_task(f"franka_kitchen/{name}:left_cap2")
    env = make(name, "randomized")
    actions, solved = run(env, suite.make_expert("scripted", short, 0), 0)
    assert solved
    for seed in (1, 2, 3):
        env.reset(seed=seed)
        assert not any(env.step(action)[4]["success"] for action in actions), seed


def test_starts_vary_and_are_those_of_their_seed():
    env, other = make("light_on", "randomized"), make("light_on", "randomized")
    starts = [env.reset(seed=seed)[1] for seed in range(20)]
    again = other.reset(seed=7)[1]
    np.testing.assert_array_equal(again["qpos"], starts[7]["qpos"])
    np.testing.assert_array_equal(again["kitchen"], starts[7]["kitchen"])
    kitchens = np.array([info["kitchen"] for info in starts]) - KitchenPose().array()
    assert (np.abs(kitchens) <= [0.1, 0.1, 0.1, 0.15]).all() and (kitchens.std(0) > 0.03).all()
    assert (kitchens[:, 3] <= 0).all()
    nominal = np.array([make("light_on").reset(seed=seed)[1]["kitchen"] for seed in range(3)])
    assert (nominal[:, 3] == 0).all() and nominal[:, :3].std(0).min() > 0.01


def test_cameras_are_where_the_evaluation_of_r3m_has_them():
    """A camera of the package's model that aims at the same body gives the same image."""
    import mujoco

    for name, (position, target) in PLACES.items():
        env = make_env(f"franka_kitchen/sdoor_open:{name}", image_size=96).unwrapped
        image = env.reset(seed=0)[0]["camera"]
        model, data = env.package_env.model, env.package_env.data
        spec = mujoco.MjSpec.from_file(str(model_path()))
        camera = spec.worldbody.add_camera(name=name, pos=position, mode=mujoco.mjtCamLight.mjCAMLIGHT_TARGETBODY)
        camera.targetbody = target
        compiled = spec.compile()
        other = mujoco.MjData(compiled)
        other.qpos[:], compiled.body_pos[:] = data.qpos, model.body_pos
        mujoco.mj_forward(compiled, other)
        compiled.vis.global_.offwidth = compiled.vis.global_.offheight = 96
        renderer = mujoco.Renderer(compiled, 96, 96)
        renderer.update_scene(other, name)
        difference = np.abs(renderer.render().astype(int) - image)
        renderer.close()
        assert difference.mean() < 3, f"{name}: {difference.mean():.1f}"


def test_names_and_joints_are_those_of_paper_and_package():
    assert [*TASKS] == ["knob1_on", "light_on", "sdoor_open", "ldoor_open", "micro_open"]
    assert VIEWS == ("default", "left_cap2", "right_cap2")
    assert split("micro_open:default")[1] is TASKS["micro_open"]
    model = load_model()
    joints = ["knob_Joint_1", "light_switch", "slide_cabinet", "left_hinge_cabinet", "microwave"]
    assert [model.joint(name).qposadr[0] for name in joints] == [task.joints[0] for task in TASKS.values()]


def test_goals_of_the_package_are_the_package_s():
    from gymnasium_robotics.envs.franka_kitchen import kitchen_env

    for task in TASKS.values():
        if task.element:
            np.testing.assert_array_equal(kitchen_env.OBS_ELEMENT_INDICES[task.element], task.joints)
            np.testing.assert_array_equal(kitchen_env.OBS_ELEMENT_GOALS[task.element], task.goal)


@pytest.mark.parametrize("action", [np.zeros(5), np.full(9, np.nan)])
def test_action_that_is_not_nine_numbers_is_refused(action):
    env = make("micro_open")
    env.reset(seed=0)
    with pytest.raises(SimError, match="an action is nine finite numbers"):
        env.step(action)


def test_unknown_domain_names_the_known_ones():
    with pytest.raises(SimError, match="has the domains nominal, randomized, not 'lab'"):
        make("micro_open", "lab")


def test_an_episode_lasts_280_periods():
    env = make("micro_open")
    env.reset(seed=0)
    ends = [env.step(np.zeros(9, np.float32) * ACTION_HIGH)[3] for _ in range(280)]
    assert ends == [False] * 279 + [True]


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("gymnasium_robotics", "the Franka Kitchen is not installed ("),
        ("mink", "the Kitchen's experts need mink ("),
    ],
)
def test_missing_package_is_one_line(package, line):
    result = subprocess.run([sys.executable, "-c", MISSING, package], capture_output=True, text=True, check=True)
    assert result.stdout.startswith(line) and "lossless_ros[suites]" in result.stdout

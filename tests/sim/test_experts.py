"""Experts: they stack, act in any state, and are built by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.experts import make_expert
from lossless_sim.experts.privileged_state import PrivilegedState
from lossless_sim.experts.topple import is_level
from lossless_sim.state_layout import FINGER_UNITS, history
from lossless_sim.tasks import make_env

TASK = "rgb_stacking/triplet1"
CUBE_LIKE = "rgb_stacking/triplet5"
AWAY = {"green": 0.3, "blue": -0.3}  # y of objects that are in nobody's way [m]


@pytest.mark.parametrize(("spec", "domain"), [("scripted", "nominal"), ("scripted", "randomized")])
def test_scripted_experts_stack(stacks: Callable[..., bool], spec: str, domain: str) -> None:
    assert sum(stacks(spec, seed, domain=domain) for seed in (2, 3, 4)) >= 2


@pytest.mark.parametrize("triplet", ["triplet1", "triplet5"])
def test_reactive_expert_stacks_despite_noise(stacks: Callable[..., bool], triplet: str) -> None:
    task = f"rgb_stacking/{triplet}"
    assert sum(stacks("reactive", seed, task, "randomized", noise=0.3) for seed in (1, 2, 3)) >= 2


def test_released_specialist_stacks(stacks: Callable[..., bool], teachers: Path) -> None:
    assert sum(stacks(f"specialist:{teachers / 'triplet1.npz'}", seed) for seed in (0, 1, 2)) >= 1


@pytest.mark.parametrize("spec", ["scripted", "reactive"])
def test_expert_acts_within_the_limits_in_any_state(spec: str) -> None:
    env = make_env(TASK, cameras=())
    expert, random = make_expert(spec, TASK, 0), make_expert("random", TASK, 0)
    obs, info = env.reset(seed=0)
    for _ in range(60):
        action = expert.act(obs, info)
        assert np.isfinite(action).all()
        assert (np.abs(action) <= env.action_space.high + 1e-6).all()
        obs, _, _, _, info = env.step(random.act(obs, info))


def test_reactive_expert_is_memoryless() -> None:
    """It acts like an expert that sees the scene for the first time."""
    env = make_env(CUBE_LIKE, cameras=())
    expert = make_expert("reactive", CUBE_LIKE, 0)
    obs, info = env.reset(seed=0)
    grippers = set()
    for _ in range(250):
        action = expert.act(obs, info)
        assert (action == make_expert("reactive", CUBE_LIKE, 1).act(obs, info)).all()
        grippers.add(float(action[-1]))
        obs, _, _, _, info = env.step(action)
    assert grippers == {-1.0, 1.0}


@pytest.mark.parametrize(("distance", "closed", "gripper"), [(0.004, 0.3, 1.0), (0.03, 0.3, -1.0), (0.004, 1.0, -1.0)])
def test_reactive_expert_reopens_fingers_that_closed_next_to_red(
    distance: float, closed: float, gripper: float
) -> None:
    """Red is that far away [m], and the fingers are at that share of their range."""
    obs, info = make_env(CUBE_LIKE, cameras=()).reset(seed=0)
    current = PrivilegedState.of(obs, info)
    to_gripper = current.tcp + np.array([distance, 0.0, 0.0]) - current.objects["red"].center
    red = info["objects"]["red"] + np.append(to_gripper, np.zeros(4))
    expert = make_expert("reactive", CUBE_LIKE, 0)
    action = expert.act(_with_fingers(obs, closed), {**info, "objects": {**info["objects"], "red": red}})
    assert action[-1] == gripper


def test_reactive_expert_turns_only_where_fingers_have_no_room() -> None:
    """A neighbor in the way of a finger makes it turn; red alone, which fits at any angle, does not."""
    obs, info = make_env(CUBE_LIKE, cameras=()).reset(seed=0)
    current = PrivilegedState.of(obs, info)
    red = info["objects"]["red"]
    aside = np.array([np.cos(current.yaw), np.sin(current.yaw), 0.0])  # where a finger goes
    expert = make_expert("reactive", CUBE_LIKE, 0)

    def turn(distance: float) -> float:
        green = info["objects"]["green"].copy()
        green[:3] = red[:3] + distance * aside
        blue = np.append(red[:3] - 0.2 * aside, info["objects"]["blue"][3:])
        return float(expert.act(obs, {**info, "objects": {"red": red, "green": green, "blue": blue}})[3])

    assert abs(turn(0.06)) > 0.1
    assert turn(0.2) == 0.0


def test_reactive_expert_turns_away_from_the_slanted_sides_of_a_wedge() -> None:
    """Triplet 1's red has two parallel faces, here along the fingers' motion or across it."""
    obs, info = make_env(TASK, cameras=()).reset(seed=0)
    current = PrivilegedState.of(obs, info)
    expert = make_expert("reactive", TASK, 0)

    def turn(across: float) -> float:
        half = (current.yaw + across) / 2
        on_its_side = np.sqrt(0.5) * np.array([-np.sin(half), np.cos(half), np.sin(half), np.cos(half)])
        red = np.append([0.6, 0.0, 0.1], on_its_side)
        away = {color: np.append([0.6, y, 0.1], info["objects"][color][3:]) for color, y in AWAY.items()}
        return float(expert.act(obs, {**info, "objects": {"red": red, **away}})[3])

    assert turn(0.0) == 0.0
    assert abs(turn(np.pi / 2)) > 0.5


@pytest.mark.parametrize("holds", [True, False])
def test_reactive_expert_keeps_red_over_blue_until_the_pads_are_off(holds: bool) -> None:
    obs, info = make_env(CUBE_LIKE, cameras=()).reset(seed=0)
    current = PrivilegedState.of(obs, info)
    red = info["objects"]["red"] + np.append(current.tcp - current.objects["red"].center, np.zeros(4))
    blue = np.append(red[:3] + [0.01, 0.0, -0.05], [0.0, 0.0, 0.0, 1.0])
    placed = {**info, "objects": {**info["objects"], "red": red, "blue": blue}}
    bottom = PrivilegedState.of(obs, placed).objects["red"].bottom
    blue[2] += bottom - PrivilegedState.of(obs, placed).objects["blue"].top
    if holds:
        closing = (_with_fingers(obs, share) for share in np.linspace(0, 1, 101))
        obs = next(seen for seen in closing if PrivilegedState.of(seen, placed).pad_clearance("red") < 0.0)
    action = make_expert("reactive", CUBE_LIKE, 0).act(obs, placed)
    assert action[-1] == -1.0
    assert (action[0] > 0.01) == holds
    assert abs(action[1]) < 0.005


def _with_fingers(obs: dict[str, np.ndarray], closed: float) -> dict[str, np.ndarray]:
    """The observation with the fingers at that share of their range."""
    state = obs["state"].copy()
    history(state, "gripper/joints/angle")[0] = closed * FINGER_UNITS
    return {**obs, "state": state}


def test_scripted_expert_topples_blue_before_it_stacks() -> None:
    task = "rgb_stacking/triplet2"
    env = make_env(task, cameras=())
    expert = make_expert("scripted", task, 0)
    obs, info = env.reset(seed=10009)
    expert.reset()
    assert not is_level(PrivilegedState.of(obs, info).objects["blue"])
    for _ in range(120):
        obs, _, _, _, info = env.step(expert.act(obs, info))
    assert is_level(PrivilegedState.of(obs, info).objects["blue"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clever", "unknown expert 'clever'; known: scripted, reactive, random, specialist:PATH"),
        ("specialist:", "needs the path"),
        ("specialist:/nowhere/x.npz", "cannot read specialist weights /nowhere/x.npz"),
    ],
)
def test_invalid_expert_is_a_one_line_error(spec: str, message: str) -> None:
    with pytest.raises(SimError) as error:
        make_expert(spec, TASK, 0)
    assert message in str(error.value)
    assert "\n" not in str(error.value)

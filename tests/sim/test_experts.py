"""Experts: the scripted one stacks, the specialists compute what the released ones do."""

from pathlib import Path

import numpy as np
import pytest
from lossless_sim.env import ACTION_HIGH
from lossless_sim.errors import SimError
from lossless_sim.experts import Noise, make_expert
from lossless_sim.experts.grasp import FLOOR, OPENING, plan, would_hold
from lossless_sim.experts.solid import solid
from lossless_sim.experts.specialist import SHAPES, distribution, load_weights
from lossless_sim.experts.tip import can_be_level, is_level, plan_push
from lossless_sim.experts.view import View
from lossless_sim.scene.objects import object_sets
from lossless_sim.tasks import make_env

TASK = "rgb_stacking/triplet1"
TEACHERS = Path(__file__).resolve().parents[3] / "shared" / "teachers"


def _run(spec: str, seed: int, task: str = TASK, domain: str = "nominal", noise: float = 0.0) -> bool:
    env = make_env(task, domain=domain, cameras=())
    expert, disturb = make_expert(spec, task, seed), Noise(noise, seed)
    obs, info = env.reset(seed=seed)
    expert.reset()
    truncated = False
    while not truncated:
        action = expert.act(obs, info)
        assert action.shape == (5,) and action.dtype == np.float32
        assert (np.abs(action) <= env.action_space.high + 1e-6).all()
        obs, _, _, truncated, info = env.step(disturb(action))
    return bool(info["success"])


@pytest.mark.parametrize(("spec", "domain"), [("scripted", "nominal"), ("scripted", "randomized"), ("lenient", "lab")])
def test_the_scripted_experts_stack(spec: str, domain: str) -> None:
    assert sum(_run(spec, seed, domain=domain) for seed in (2, 3, 4)) >= 2


@pytest.mark.parametrize("spec", ["scripted", "lenient", "reactive"])
def test_the_scripted_experts_answer_in_any_state(spec: str) -> None:
    env = make_env(TASK, cameras=())
    scripted, random = make_expert(spec, TASK, 0), make_expert("random", TASK, 0)
    obs, info = env.reset(seed=0)
    for _ in range(60):
        action = scripted.act(obs, info)
        assert np.isfinite(action).all() and (np.abs(action) <= env.action_space.high + 1e-6).all()
        obs, _, _, _, info = env.step(random.act(obs, info))


@pytest.mark.parametrize("triplet", ["triplet1", "triplet5"])
def test_the_reactive_expert_stacks_disturbed(triplet: str) -> None:
    task = f"rgb_stacking/{triplet}"
    assert sum(_run("reactive", seed, task, "randomized", noise=0.3) for seed in (1, 2, 3)) >= 2


def test_the_reactive_expert_has_no_memory() -> None:
    """Its answer is that of an expert that sees the scene for the first time."""
    task = "rgb_stacking/triplet5"
    env = make_env(task, cameras=())
    expert = make_expert("reactive", task, 0)
    obs, info = env.reset(seed=0)
    grippers = set()
    for _ in range(250):
        action = expert.act(obs, info)
        assert (action == make_expert("reactive", task, 1).act(obs, info)).all()
        grippers.add(float(action[-1]))
        obs, _, _, _, info = env.step(action)
    assert grippers == {-1.0, 1.0}


@pytest.mark.parametrize(("beside", "gripper"), [(0.01, 1.0), (0.03, -1.0)])
def test_the_reactive_expert_opens_fingers_that_shut_beside_red(beside: float, gripper: float) -> None:
    task = "rgb_stacking/triplet5"
    obs, info = make_env(task, cameras=()).reset(seed=0)
    view = View.of(obs, info)
    there = view.tool + np.array([beside, 0.0, 0.0]) - view.solids["red"].centre
    moved = info["objects"]["red"] + np.append(there, np.zeros(4))
    state = obs["state"].copy()
    state[19] = 255.0  # the finger's angle: shut
    expert = make_expert("reactive", task, 0)
    action = expert.act({**obs, "state": state}, {**info, "objects": {**info["objects"], "red": moved}})
    assert action[-1] == gripper


def test_the_reactive_expert_turns_only_for_what_does_not_fit() -> None:
    """Triplet 1's red is too wide for a hand that is not turned to it, triplet 5's red is not."""
    turns = {}
    for triplet in ("triplet1", "triplet5"):
        task = f"rgb_stacking/{triplet}"
        env = make_env(task, cameras=())
        turns[triplet] = [
            abs(float(make_expert("reactive", task, 0).act(*env.reset(seed=seed))[3])) for seed in range(6)
        ]
    assert max(turns["triplet1"]) > 0.1 and np.median(turns["triplet5"]) == 0.0


def test_solids_are_convex_and_closed() -> None:
    for names in object_sets().values():
        for name in names:
            shape = solid(name)
            assert (shape.normals @ shape.vertices.T <= shape.offsets[:, None] + 1e-5).all(), name
            assert (shape.normals @ shape.centre < shape.offsets).all(), name


def test_a_line_through_a_cube_enters_and_leaves_by_opposite_faces() -> None:
    cube = solid("s0")
    enter, leave, into, out = cube.cross(np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]]), np.array([0.0, 1.0, 0.0]))
    assert np.allclose([enter[0], leave[0]], [-0.025, 0.025], atol=1e-6)
    assert np.allclose(cube.normals[into[0]], [0, -1, 0]) and np.allclose(cube.normals[out[0]], [0, 1, 0])
    assert enter[1] == np.inf and leave[1] == -np.inf


def test_a_cube_is_grasped_flat_and_in_the_middle() -> None:
    turn = np.array([0, 0, np.sin(0.2), np.cos(0.2)])  # 0.4 rad about z
    cube = solid("s0").placed(np.concatenate([[0.62, 0.03, 0.0748], turn]))
    grasp = plan(cube, [], 0.0, [])
    assert grasp is not None
    assert abs((grasp.yaw - 0.4 + np.pi / 4) % (np.pi / 2) - np.pi / 4) < 0.09
    assert np.linalg.norm(grasp.position[:2] - [0.62, 0.03]) < 0.006


@pytest.mark.parametrize(
    ("offset", "turn", "holds"),
    [
        ((0.0, 0.0, 0.0), 0.0, True),
        ((0.012, 0.0, 0.0), 0.0, True),  # along the closing direction: the pads push it to the middle
        ((0.0, 0.01, 0.0), 0.3, True),
        ((0.025, 0.0, 0.0), 0.0, False),  # a pad would come down on it
        ((0.0, 0.02, 0.0), 0.0, False),  # the pads' edges would only hold its side
        ((0.0, 0.0, 0.035), 0.0, False),  # above it
        ((0.0, 0.0, 0.0), np.pi / 4, False),  # corner to corner
    ],
)
def test_closing_holds_a_cube_that_is_well_between_the_pads(
    offset: tuple[float, ...], turn: float, holds: bool
) -> None:
    cube = solid("s0").placed(np.array([0.62, 0.03, 0.0748, 0.0, 0, 0, 1]))
    assert would_hold(cube, cube.centre + offset, turn) is holds


def test_a_lenient_expert_closes_where_it_would_hold_and_the_scripted_one_only_where_it_planned_to() -> None:
    """The hand stands 10 mm beside the grasp, as a student's might: red is between the pads."""
    task = "rgb_stacking/triplet5"
    env = make_env(task, cameras=())
    scripted, lenient = make_expert("scripted", task, 0), make_expert("lenient", task, 0)
    obs, info = env.reset(seed=2)
    for _ in range(200):
        view = View.of(obs, info)
        action = scripted.act(obs, info)
        if action[-1] > 0:
            break
        obs, _, _, _, info = env.step(action)
    red = view.solids["red"]
    assert would_hold(red, view.tool, view.yaw)
    closing = np.array([np.cos(view.yaw), np.sin(view.yaw), 0.0])
    moved = info["objects"]["red"] + np.append(0.01 * closing, np.zeros(4))
    beside = {**info, "objects": {**info["objects"], "red": moved}}
    answers = {}
    for name, expert in (("scripted", scripted), ("lenient", lenient)):
        expert.reset()
        answers[name] = float(expert.act(obs, beside)[-1])
    assert answers == {"scripted": -1.0, "lenient": 1.0}


def test_a_grasp_keeps_clear_of_the_neighbour() -> None:
    flat = np.array([0.0, 0, 0, 1])
    cube = solid("s0").placed(np.array([0.6, 0.0, 0.0748, *flat]))
    beside = solid("s0").placed(np.array([0.6, 0.055, 0.0748, *flat]))
    grasp = plan(cube, [beside], np.pi / 2, [])
    assert grasp is not None
    closing = np.array([np.cos(grasp.yaw), np.sin(grasp.yaw)])
    assert abs(closing[0]) > 0.9  # closes along x: a finger between the cubes would not fit
    assert OPENING < 0.05


def test_noise_is_the_seeds_own_and_leaves_the_gripper_alone() -> None:
    """A level is the noise's standard deviation in units of the limits, steps near each other are disturbed alike."""
    still = np.array([0, 0, 0, 0, 1], np.float32)

    def disturbed(level: float, seed: int) -> np.ndarray:
        noise = Noise(level, seed)
        return np.stack([noise(still) for _ in range(2000)]) / ACTION_HIGH

    once, again, other = disturbed(0.2, 3), disturbed(0.2, 3), disturbed(0.2, 4)
    assert (once == again).all() and not (once == other).all()
    assert (once[:, 4] == 1.0).all() and np.abs(disturbed(1.0, 3)).max() <= 1.0
    assert np.allclose(once[:, :4].std(axis=0), 0.2, atol=0.05)
    assert (once[1:, :4] * once[:-1, :4]).mean() > 0.5 * once[:, :4].var()
    assert Noise(0.0, 3)(still) is still
    for level in (-0.1, 1.5, np.nan):
        with pytest.raises(SimError, match="expected a share of the action limits from 0 to 1"):
            Noise(level, 0)


def _resting(name: str, face: int) -> np.ndarray:
    """Pose (7,) of an object in the middle of the basket, at rest on one of its faces."""
    shape = solid(name)
    normal = shape.normals[face]
    axis = np.cross(normal, [0.0, 0.0, -1.0])
    turn = np.append(axis, 1.0 - normal[2])  # half way from the normal to straight down
    turn = np.array([1.0, 0.0, 0.0, 0.0]) if normal[2] > 0.999 else turn
    pose = np.concatenate([[0.6, 0.0, 0.0], turn / np.linalg.norm(turn)])
    pose[2] = FLOOR - shape.placed(pose).bottom
    return pose


def test_an_object_with_a_slanting_top_is_tipped_onto_a_face_that_brings_a_level_one() -> None:
    """Red does not stay on b3 as it lies on one of its slanting sides, which it does in half of the episodes."""
    shape = solid("b3")
    slants = [i for i in range(len(shape.normals)) if not is_level(shape.placed(_resting("b3", i)))]
    assert len(slants) == 2 and can_be_level(shape)
    for face in slants:
        lying = shape.placed(_resting("b3", face))
        push = plan_push(lying, [], np.array([0.6, 0.0, 0.2]), 0.0, [])
        assert push is not None
        assert np.linalg.norm(push.direction) == pytest.approx(1.0)
        assert (push.start[:2] - lying.centre[:2]) @ push.direction < 0  # from behind
        first = push.way(push.start, lying)
        assert first is not None and np.allclose(first[:2], push.direction)
        other = plan_push(lying, [], np.array([0.6, 0.0, 0.2]), 0.0, [push])
        assert other is None or other.direction @ push.direction < 0.9  # what failed is not tried again
    in_the_way = [
        solid("s0").placed(np.array([0.6 + x, y, 0.0748, 0, 0, 0, 1]))
        for x, y in ((0.06, 0.0), (-0.06, 0.0), (0.0, 0.06), (0.0, -0.06))
    ]
    assert plan_push(shape.placed(_resting("b3", slants[0])), in_the_way, np.zeros(3), 0.0, []) is None


def test_the_scripted_expert_tips_blue_over_before_it_stacks() -> None:
    task = "rgb_stacking/triplet2"
    env = make_env(task, cameras=())
    expert = make_expert("scripted", task, 0)
    obs, info = env.reset(seed=10018)
    expert.reset()
    assert not is_level(View.of(obs, info).solids["blue"])
    for _ in range(120):
        obs, _, _, _, info = env.step(expert.act(obs, info))
    assert is_level(View.of(obs, info).solids["blue"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("clever", "unknown expert 'clever'; known: scripted, lenient, reactive, random, specialist:PATH"),
        ("specialist:", "needs the path"),
        ("specialist:/nowhere/x.npz", "cannot read specialist weights /nowhere/x.npz"),
    ],
)
def test_a_bad_expert_gets_one_line(spec: str, says: str) -> None:
    with pytest.raises(SimError) as error:
        make_expert(spec, TASK, 0)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{key: np.zeros(shape if key != "in_w" else (3, 3)) for key, shape in SHAPES.items()})
    with pytest.raises(SimError, match=r"expected array 'in_w' of shape \(292, 256\), found \(3, 3\)"):
        load_weights(path)


@pytest.mark.parametrize("number", [1, 4])
def test_the_specialists_network_is_the_released_one(number: int) -> None:
    """50 observations of the released environment, with what the released TensorFlow policy makes of them."""
    if not TEACHERS.is_dir():
        pytest.skip("no ../shared/teachers next to the repository")
    weights = load_weights(TEACHERS / f"triplet{number}.npz")
    with np.load(TEACHERS / f"fixture_triplet{number}.npz") as fixture:
        mean, deviation, logits = distribution(weights, fixture["obs"])
        assert np.allclose(mean, fixture["tf_loc"], atol=1e-4)
        assert np.allclose(deviation, fixture["tf_scale"], atol=1e-4)
        assert np.allclose(logits, fixture["tf_logits"], atol=1e-3)


def test_a_specialist_stacks_in_this_environment() -> None:
    if not TEACHERS.is_dir():
        pytest.skip("no ../shared/teachers next to the repository")
    assert sum(_run(f"specialist:{TEACHERS / 'triplet1.npz'}", seed) for seed in (0, 1, 2)) >= 1

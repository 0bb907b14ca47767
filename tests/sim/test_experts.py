"""Experts: the scripted one stacks, the specialists compute what the released ones do."""

from pathlib import Path

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.experts import make_expert
from lossless_sim.experts.grasp import OPENING, plan
from lossless_sim.experts.solid import solid
from lossless_sim.experts.specialist import SHAPES, distribution, load_weights
from lossless_sim.scene.objects import object_sets
from lossless_sim.tasks import make_env

TASK = "rgb_stacking/triplet1"
TEACHERS = Path(__file__).resolve().parents[3] / "shared" / "teachers"


def _run(spec: str, seed: int, task: str = TASK, domain: str = "nominal") -> bool:
    env = make_env(task, domain=domain, cameras=())
    expert = make_expert(spec, task, seed)
    obs, info = env.reset(seed=seed)
    expert.reset()
    truncated = False
    while not truncated:
        action = expert.act(obs, info)
        assert action.shape == (5,) and action.dtype == np.float32
        assert (np.abs(action) <= env.action_space.high + 1e-6).all()
        obs, _, _, truncated, info = env.step(action)
    return bool(info["success"])


@pytest.mark.parametrize("domain", ["nominal", "randomized"])
def test_the_scripted_expert_stacks(domain: str) -> None:
    assert sum(_run("scripted", seed, domain=domain) for seed in (2, 3, 4)) >= 2


def test_the_scripted_expert_answers_in_any_state() -> None:
    env = make_env(TASK, cameras=())
    scripted, random = make_expert("scripted", TASK, 0), make_expert("random", TASK, 0)
    obs, info = env.reset(seed=0)
    for _ in range(60):
        action = scripted.act(obs, info)
        assert np.isfinite(action).all() and (np.abs(action) <= env.action_space.high + 1e-6).all()
        obs, _, _, _, info = env.step(random.act(obs, info))


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


def test_a_grasp_keeps_clear_of_the_neighbour() -> None:
    flat = np.array([0.0, 0, 0, 1])
    cube = solid("s0").placed(np.array([0.6, 0.0, 0.0748, *flat]))
    beside = solid("s0").placed(np.array([0.6, 0.055, 0.0748, *flat]))
    grasp = plan(cube, [beside], np.pi / 2, [])
    assert grasp is not None
    closing = np.array([np.cos(grasp.yaw), np.sin(grasp.yaw)])
    assert abs(closing[0]) > 0.9  # closes along x: a finger between the cubes would not fit
    assert OPENING < 0.05


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("clever", "unknown expert 'clever'; known: scripted, random, specialist:PATH"),
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

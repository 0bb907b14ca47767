"""Grasp planning on convex polyhedra."""

import numpy as np
from lossless_sim.experts.convex_polyhedron import object_polyhedron
from lossless_sim.experts.grasp import OPENING, plan
from lossless_sim.scene.objects import object_sets

CUBE = "s0"
UPRIGHT = np.array([0.0, 0, 0, 1])


def test_object_polyhedra_are_convex_and_closed() -> None:
    for names in object_sets().values():
        for name in names:
            shape = object_polyhedron(name)
            assert (shape.normals @ shape.vertices.T <= shape.offsets[:, None] + 1e-5).all(), name
            assert (shape.normals @ shape.center < shape.offsets).all(), name


def test_ray_through_a_cube_hits_opposite_faces() -> None:
    cube = object_polyhedron(CUBE)
    hits = cube.intersect_rays(np.zeros((1, 3)), np.array([0.0, 1.0, 0.0]))
    assert np.allclose([hits.entry[0], hits.exit[0]], [-0.025, 0.025], atol=1e-6)
    assert np.allclose(cube.normals[hits.entry_face[0]], [0, -1, 0])
    assert np.allclose(cube.normals[hits.exit_face[0]], [0, 1, 0])


def test_faces_along_a_direction_are_those_that_fingers_touch() -> None:
    near, far = object_polyhedron(CUBE).faces_along(np.pi / 2 + 0.1)
    assert np.allclose([near, far], [[0, -1, 0], [0, 1, 0]])
    near, far = object_polyhedron("r3").faces_along(np.pi / 2)  # a wedge; its slanted sides face these fingers
    assert near @ far > -0.75


def test_ray_next_to_a_cube_misses_it() -> None:
    hits = object_polyhedron(CUBE).intersect_rays(np.array([[0.1, 0.0, 0.0]]), np.array([0.0, 1.0, 0.0]))
    assert hits.entry[0] == np.inf
    assert hits.exit[0] == -np.inf


def test_cube_is_grasped_squarely_and_centrally() -> None:
    turned = np.array([0, 0, np.sin(0.2), np.cos(0.2)])  # 0.4 rad about z
    cube = object_polyhedron(CUBE).transformed(np.concatenate([[0.62, 0.03, 0.0748], turned]))
    grasp = plan(cube, [], 0.0, [])
    assert grasp is not None
    assert abs((grasp.yaw - 0.4 + np.pi / 4) % (np.pi / 2) - np.pi / 4) < 0.09
    assert np.linalg.norm(grasp.position[:2] - [0.62, 0.03]) < 0.006


def test_grasp_keeps_clear_of_a_neighboring_object() -> None:
    cube = object_polyhedron(CUBE).transformed(np.array([0.6, 0.0, 0.0748, *UPRIGHT]))
    neighbor = object_polyhedron(CUBE).transformed(np.array([0.6, 0.055, 0.0748, *UPRIGHT]))
    grasp = plan(cube, [neighbor], np.pi / 2, [])
    assert grasp is not None
    assert abs(np.cos(grasp.yaw)) > 0.9  # closes along x: a finger does not fit between the cubes
    assert OPENING < 0.05

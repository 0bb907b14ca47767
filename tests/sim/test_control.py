"""The controller's closed form against what it must do, and against DeepMind's where it is installed."""

import numpy as np
import pytest
from lossless_sim.cell import CellCache
from lossless_sim.control import POSTURE, CartesianController, solve
from lossless_sim.kinematics import solve_pose
from lossless_sim.rotations import downward
from lossless_sim.scene.names import ARM_JOINTS, WRIST_SITE
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.scene.physics import physics

WIDE = np.full(7, 10.0)


@pytest.fixture(scope="module")
def cell():
    return CellCache(physics("fast")).get(TRIPLETS["triplet1"])


def test_posture_does_not_move_the_hand() -> None:
    jacobian = np.random.default_rng(0).normal(size=(6, 7))
    twist = np.array([0.05, 0, 0, 0, 0, 0.3])
    calm = solve(jacobian, twist, np.zeros(7), -WIDE, WIDE)
    pulled = solve(jacobian, twist, np.ones(7), -WIDE, WIDE)
    assert np.allclose(jacobian @ calm, jacobian @ pulled, atol=1e-6)
    assert np.linalg.norm(pulled - 1) < np.linalg.norm(calm - 1)


def test_limits_hold_and_the_other_joints_take_over() -> None:
    jacobian = np.random.default_rng(1).normal(size=(6, 7))
    twist = np.array([0.1, 0, 0, 0, 0, 0])
    free = solve(jacobian, twist, np.zeros(7), -WIDE, WIDE)
    high = WIDE.copy()
    high[int(np.argmax(free))] = free.max() / 2
    bound = solve(jacobian, twist, np.zeros(7), -WIDE, high)
    assert (bound <= high + 1e-9).all()
    assert np.linalg.norm(jacobian @ bound - twist) < 0.5 * np.linalg.norm(twist)


def test_it_agrees_with_deepminds_controller(cell) -> None:
    mapper = pytest.importorskip("dm_robotics.controllers.cartesian_6d_to_joint_velocity_mapper")
    import datetime

    import mujoco

    model, ids = cell.model, cell.ids
    parameters = mapper.Parameters()
    parameters.model = model
    parameters.joint_ids = [model.joint(name).id for name in ARM_JOINTS]
    parameters.object_type = mujoco.mjtObj.mjOBJ_SITE
    parameters.object_name = WRIST_SITE
    parameters.integration_timestep = datetime.timedelta(seconds=0.05)
    parameters.enable_joint_position_limits = True
    parameters.joint_position_limit_velocity_scale = 0.95
    parameters.minimum_distance_from_joint_position_limit = 0.01
    parameters.enable_joint_velocity_limits = True
    parameters.joint_velocity_magnitude_limits = [1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545]
    parameters.regularization_weight = 0.01
    parameters.solution_tolerance = 1e-6
    parameters.max_cartesian_velocity_control_iterations = 20000
    parameters.enable_nullspace_control = True
    parameters.max_nullspace_control_iterations = 20000
    parameters.nullspace_projection_slack = 1e-7
    theirs = mapper.Mapper(parameters)
    ours = CartesianController(model, ids)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(3)
    for _ in range(5):
        data.qpos[ids.arm_qpos] = POSTURE + rng.uniform(-0.3, 0.3, 7)
        mujoco.mj_forward(model, data)
        twist = rng.uniform(-1, 1, 6) * [0.07, 0.07, 0.07, 0.1, 0.1, 1.0]
        pull = 0.025 * (POSTURE - data.qpos[ids.arm_qpos]) / 0.05
        expected = np.array(theirs.compute_joint_velocities(data, twist.tolist(), pull))
        assert np.allclose(ours.joint_velocities(data, twist), expected, atol=2e-3)


def test_inverse_kinematics_reaches_the_corners_of_the_start_box(cell) -> None:
    import mujoco

    data = mujoco.MjData(cell.model)
    for x, y, z, yaw in ((0.5, -0.14, 0.22, -0.78), (0.7, 0.14, 0.43, 0.78), (0.7, -0.14, 0.22, 0.78)):
        rotation = downward(yaw)
        angles = solve_pose(cell.model, cell.ids, np.array([x, y, z]), rotation, cell.posture)
        data.qpos[cell.ids.arm_qpos] = angles
        mujoco.mj_kinematics(cell.model, data)
        assert np.allclose(data.site_xpos[cell.ids.pinch], (x, y, z), atol=1e-3)
        assert np.allclose(data.site_xmat[cell.ids.pinch].reshape(3, 3), rotation, atol=1e-3)

"""The controller: its closed form, its limits, and its agreement with DeepMind's controller where that is installed."""

import datetime

import mujoco
import numpy as np
import pytest
from lossless_sim.cell import Cell
from lossless_sim.control import POSTURE, CartesianController, solve
from lossless_sim.kinematics import solve_pose
from lossless_sim.rotations import downward
from lossless_sim.scene.names import ARM_JOINTS, WRIST_SITE

UNLIMITED = np.full(7, 10.0)


def test_posture_control_does_not_move_the_end_effector() -> None:
    jacobian = np.random.default_rng(0).normal(size=(6, 7))
    twist = np.array([0.05, 0, 0, 0, 0, 0.3])
    without = solve(jacobian, twist, np.zeros(7), -UNLIMITED, UNLIMITED)
    pulled = solve(jacobian, twist, np.ones(7), -UNLIMITED, UNLIMITED)
    assert np.allclose(jacobian @ without, jacobian @ pulled, atol=1e-6)
    assert np.linalg.norm(pulled - 1) < np.linalg.norm(without - 1)


def test_other_joints_compensate_for_a_joint_at_its_limit() -> None:
    jacobian = np.random.default_rng(1).normal(size=(6, 7))
    twist = np.array([0.1, 0, 0, 0, 0, 0])
    free = solve(jacobian, twist, np.zeros(7), -UNLIMITED, UNLIMITED)
    high = UNLIMITED.copy()
    high[int(np.argmax(free))] = free.max() / 2
    limited = solve(jacobian, twist, np.zeros(7), -UNLIMITED, high)
    assert (limited <= high + 1e-9).all()
    assert np.linalg.norm(jacobian @ limited - twist) < 0.5 * np.linalg.norm(twist)


def test_controller_agrees_with_deepminds(cell: Cell) -> None:
    mapper = pytest.importorskip("dm_robotics.controllers.cartesian_6d_to_joint_velocity_mapper")
    model, indices = cell.model, cell.indices
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
    reference = mapper.Mapper(parameters)
    controller = CartesianController(model, indices)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(3)
    for _ in range(5):
        data.qpos[indices.arm_qpos] = POSTURE + rng.uniform(-0.3, 0.3, 7)
        mujoco.mj_forward(model, data)
        twist = rng.uniform(-1, 1, 6) * [0.07, 0.07, 0.07, 0.1, 0.1, 1.0]
        posture = 0.025 * (POSTURE - data.qpos[indices.arm_qpos]) / 0.05
        expected = np.array(reference.compute_joint_velocities(data, twist.tolist(), posture))
        assert np.allclose(controller.joint_velocities(data, twist), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("position", "yaw"), [((0.5, -0.14, 0.22), -0.78), ((0.7, 0.14, 0.43), 0.78), ((0.7, -0.14, 0.22), 0.78)]
)
def test_inverse_kinematics_reaches_the_corners_of_the_initial_poses(
    cell: Cell, position: tuple[float, float, float], yaw: float
) -> None:
    data = mujoco.MjData(cell.model)
    data.qpos[cell.indices.arm_qpos] = solve_pose(cell.model, cell.indices, np.array(position), downward(yaw), POSTURE)
    mujoco.mj_kinematics(cell.model, data)
    assert np.allclose(data.site_xpos[cell.indices.pinch], position, atol=1e-3)
    assert np.allclose(data.site_xmat[cell.indices.pinch].reshape(3, 3), downward(yaw), atol=1e-3)

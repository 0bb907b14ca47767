"""What a suite of tasks offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from lossless_sim.experts.protocol import Expert

Observation = dict[str, np.ndarray]
Info = dict[str, Any]
Env = gymnasium.Env[Observation, np.ndarray]


@dataclass(frozen=True)
class Suite:
    """Tasks that share a robot, cameras, experts and a contract.

    Attributes:
        tasks: what each task is about, by its name within the suite.
        contract: name of the suite's contract (config/contracts).
        cameras: names of the cameras that a contract may have.
        joint_names: of the robot's joints in its JointState messages, the gripper's last.
        action_high: largest action (dim,): velocities [m/s, rad/s], then the gripper's; the lowest is its negative.
        gripper_outputs: how many components of an action, the last ones, move the gripper.
        control_period: [s].
        max_steps: length of an episode [control periods].
        ends_at_success: whether an evaluated episode ends with success; otherwise success counts at its end only.
        stages: names of the stages of an episode, in their order.
        domain: of demonstrations and evaluations, where none is given.
        expert: of demonstrations, where none is given.
        expert_noise: of demonstrations, where none is given, as a share of the action limits.
        gripper_noise: of demonstrations, where none is given, in inversions per second.
        experts: names of the experts.
        has_object_poses: whether `info` holds the poses of a red, a green and a blue object.
        check_domain: raises SimError for a domain that the suite does not have.
        make_env: returns the environment of a task's name, a domain, cameras and an image size. Its actions are the
            contract's; its observations hold images by camera, joint_position, joint_velocity,
            joint_effort, the same of the gripper, tcp_pose (7,) x, y, z [m], qx, qy, qz, qw; `info` holds success,
            qpos, and after a reset the domain's `draw`.
        make_expert: returns the expert of a name for a task's name and an episode's seed.
        find_stages: returns the stages that hold, from the last observation and info.
    """

    tasks: Mapping[str, str]
    contract: str
    cameras: tuple[str, ...]
    joint_names: tuple[str, ...]
    action_high: np.ndarray
    gripper_outputs: int
    control_period: float
    max_steps: int
    ends_at_success: bool
    stages: tuple[str, ...]
    domain: str
    expert: str
    expert_noise: float
    gripper_noise: float
    experts: tuple[str, ...]
    has_object_poses: bool
    check_domain: Callable[[str], None]
    make_env: Callable[..., Env]
    make_expert: Callable[[str, str, int], Expert]
    find_stages: Callable[[Observation, Info], list[str]]

"""A suite of one task whose environment integrates the velocities of two joints."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from lossless_sim.suite import Info, Observation, Suite

from tests.support.joints import CONTRACT, LIMITS, NAMES
from tests.support.recordings import IMAGE_SIZE

TASK = "two_joints/reach"
PERIOD_S = 1 / CONTRACT.rate_hz


class JointEnv(gymnasium.Env[Observation, np.ndarray]):
    """Success is an elbow beyond 0.1 rad."""

    def __init__(self) -> None:
        self.action_space = gymnasium.spaces.Box(-np.float32(LIMITS), np.float32(LIMITS))
        self.actions: list[np.ndarray] = []
        self._positions = np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        self.actions, self._positions = [], np.array([0.0, 0.02])
        return self._observation(), {"draw": {"domain": "nominal"}, "success": False}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, Info]:
        self.actions.append(action.copy())
        self._positions = self._positions + PERIOD_S * action
        success = bool(self._positions[0] > 0.1)
        return self._observation(), 0.0, False, False, {"success": success, "qpos": self._positions}

    def _observation(self) -> Observation:
        parts = {"joint": self._positions[:1], "gripper": self._positions[1:]}
        observation = {f"{part}_{kind}": np.zeros(1) for part in parts for kind in ("velocity", "effort")}
        observation |= {f"{part}_position": value.copy() for part, value in parts.items()}
        image = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        return observation | {"camera": image, "tcp_pose": np.array([0.6, 0.0, 0.2, 1.0, 0, 0, 0])}


def joint_suite(folder: Path) -> Suite:
    """Return the suite; its contract is written into a folder."""
    contract = folder / "two_joints.yaml"
    contract.write_text(CONTRACT.to_json())
    return Suite(
        tasks={"reach": "Move the elbow."},
        contract=str(contract),
        cameras=("camera",),
        joint_names=NAMES,
        action_high=LIMITS,
        gripper_outputs=0,
        control_period=PERIOD_S,
        max_steps=10,
        ends_at_success=False,
        stages=(),
        domain="nominal",
        expert="none",
        expert_noise=0.0,
        gripper_noise=0.0,
        experts=(),
        has_object_poses=False,
        check_domain=lambda domain: None,
        make_env=lambda *arguments, **options: JointEnv(),
        make_expert=lambda *arguments: None,  # type: ignore[arg-type, return-value]
        find_stages=lambda observation, info: [],
    )

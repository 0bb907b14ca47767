"""DeepMind's RGB-stacking: put the red object on the blue one."""

from typing import Any

import gymnasium

from lossless_sim.actions import ACTION_HIGH
from lossless_sim.domains import load_domain
from lossless_sim.experts.expert import EXPERTS, make_expert
from lossless_sim.scene.names import CAMERAS
from lossless_sim.scene.objects import TRIPLETS
from lossless_sim.stages import STAGES, stages
from lossless_sim.suite import Env, Suite
from lossless_sim.timing import CONTROL_PERIOD, MAX_STEPS

__all__ = ["SUITE"]


def _make_env(name: str, domain: str = "nominal", **kwargs: Any) -> Env:
    import lossless_sim  # noqa: F401  registers the environments

    return gymnasium.make("lossless/RgbStacking-v0", triplet=name, domain=domain, disable_env_checker=True, **kwargs)


def _check_domain(domain: str) -> None:
    load_domain(domain)


SUITE = Suite(
    tasks={
        **{triplet: f"the objects of {triplet}" for triplet in TRIPLETS},
        **{name: f"three objects of the set {name} per episode" for name in ("train", "heldout")},
    },
    contract="rgb_stacking",
    cameras=CAMERAS,
    joint_names=(*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint"),
    action_high=ACTION_HIGH,
    gripper_outputs=1,
    control_period=CONTROL_PERIOD,
    max_steps=MAX_STEPS,
    ends_at_success=False,
    stages=STAGES,
    domain="randomized",
    expert="reactive",
    expert_noise=0.3,
    gripper_noise=0.15,
    experts=EXPERTS,
    has_object_poses=True,
    check_domain=_check_domain,
    make_env=_make_env,
    make_expert=make_expert,
    find_stages=stages,
)

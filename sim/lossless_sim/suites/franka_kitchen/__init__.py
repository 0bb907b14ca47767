"""Franka Kitchen (Gupta et al. 2019): five tasks of a Panda arm, as R3M's evaluation sees them (Nair et al. 2022)."""

from typing import Any

from lossless_sim.errors import SimError, unknown
from lossless_sim.experts.protocol import Expert
from lossless_sim.one_camera import CAMERA, SOLVED, find_stages
from lossless_sim.suite import Env, Suite
from lossless_sim.suites.franka_kitchen.starts import check_domain
from lossless_sim.suites.franka_kitchen.tasks import (
    ACTION_HIGH,
    ARM,
    CONTROL_PERIOD,
    FINGERS,
    MAX_STEPS,
    NAMES,
    split,
)

__all__ = ["SUITE"]

EXPERTS = ("scripted", "random")


def _make_env(name: str, domain: str = "nominal", **kwargs: Any) -> Env:
    from lossless_sim.suites.franka_kitchen.env import KitchenEnv

    check_domain(domain)
    return KitchenEnv(name, domain, **kwargs)


def _make_expert(spec: str, name: str, seed: int) -> Expert:
    if spec == "random":
        from lossless_sim.experts.random import RandomExpert

        return RandomExpert(seed, ACTION_HIGH)
    if spec == "scripted":
        try:
            from lossless_sim.suites.franka_kitchen.expert import ScriptedExpert
        except ModuleNotFoundError as error:
            raise SimError(f"the Kitchen's experts need mink ({error}); install lossless_ros[suites]") from None
        return ScriptedExpert(split(name)[0])
    raise unknown("franka_kitchen expert", spec, EXPERTS)


SUITE = Suite(
    tasks=NAMES,
    contract="franka_kitchen",
    cameras=(CAMERA,),
    joint_names=(*ARM, *FINGERS),
    action_high=ACTION_HIGH,
    gripper_outputs=len(FINGERS),
    control_period=CONTROL_PERIOD,
    max_steps=MAX_STEPS,
    ends_at_success=True,  # as in the package
    stages=(SOLVED,),
    domain="nominal",
    expert="scripted",
    expert_noise=0.0,
    gripper_noise=0.0,
    experts=EXPERTS,
    has_object_poses=False,
    check_domain=check_domain,
    make_env=_make_env,
    make_expert=_make_expert,
    find_stages=find_stages,
)

"""Meta-World (Yu et al. 2019): five tasks of a Sawyer arm, as R3M's evaluation sees them (Nair et al. 2022)."""

from typing import Any

from lossless_sim.errors import SimError, unknown
from lossless_sim.experts.protocol import Expert
from lossless_sim.one_camera import CAMERA, SOLVED, find_stages
from lossless_sim.suite import Env, Suite
from lossless_sim.suites.metaworld.tasks import ACTION_HIGH, CONTROL_PERIOD, DOMAIN, MAX_STEPS, NAMES

__all__ = ["SUITE"]

EXPERTS = ("scripted", "random")


def _check_domain(domain: str) -> None:
    if domain != DOMAIN:
        raise SimError(f"metaworld has only the domain {DOMAIN}, not '{domain}'")


def _make_env(name: str, domain: str = DOMAIN, **kwargs: Any) -> Env:
    from lossless_sim.suites.metaworld.env import MetaworldEnv

    _check_domain(domain)
    return MetaworldEnv(name, **kwargs)


def _make_expert(spec: str, name: str, seed: int) -> Expert:
    if spec == "random":
        from lossless_sim.experts.random import RandomExpert

        return RandomExpert(seed, ACTION_HIGH)
    if spec == "scripted":
        from lossless_sim.suites.metaworld.expert import ScriptedExpert

        return ScriptedExpert(name)
    raise unknown("metaworld expert", spec, EXPERTS)


SUITE = Suite(
    tasks=NAMES,
    contract="metaworld",
    cameras=(CAMERA,),
    joint_names=(*(f"right_j{i}" for i in range(7)), "gripper_opening"),
    action_high=ACTION_HIGH,
    gripper_outputs=1,
    control_period=CONTROL_PERIOD,
    max_steps=MAX_STEPS,
    ends_at_success=True,  # as in the package's own evaluation
    stages=(SOLVED,),
    domain=DOMAIN,
    expert="scripted",
    expert_noise=0.0,
    gripper_noise=0.0,
    experts=EXPERTS,
    has_object_poses=False,
    check_domain=_check_domain,
    make_env=_make_env,
    make_expert=_make_expert,
    find_stages=find_stages,
)

"""Where episodes start: the arm's joints, and where the kitchen stands."""

from dataclasses import dataclass, field

import mujoco
import numpy as np

from lossless_sim.errors import SimError
from lossless_sim.suites.franka_kitchen.kitchen import KitchenPose, place_kitchen

_STREAM_ID = 0x6B697463  # keeps these numbers independent of the package's noise
_MAX_CONTACTS = 4  # as in R3M's evaluation: the arm does not stand in the furniture
_MAX_DRAWS = 1000
_SHOULDER = np.array([0.0, 0.0, 2.133])  # m
_REACH = 1.04  # m: from the shoulder to the middle of a handle that the hand can hold


@dataclass(frozen=True)
class Spread:
    """How far starts may be from the package's.

    Attributes:
        joints: largest change of the arm's and fingers' joints in both directions, as a share of their range.
        position: largest shift of the kitchen along each axis in both directions [m].
        yaw: largest clockwise turn of the kitchen [rad]; the other way its wall would hide it from left_cap2.
    """

    joints: float
    position: float
    yaw: float


DOMAINS = {
    "nominal": Spread(0.025, 0.1, 0.0),  # as in R3M's evaluation: RoboHive v0.0.5, KitchenFrankaRandomDesk
    "randomized": Spread(0.05, 0.1, 0.15),
}


@dataclass(frozen=True)
class Start:
    """MuJoCo's positions (nq,) and the kitchen's pose at the start of an episode."""

    qpos: np.ndarray
    kitchen: KitchenPose = field(default_factory=KitchenPose)


def check_domain(domain: str) -> None:
    """Check the name of a domain.

    Raises:
        SimError: unknown.
    """
    if domain not in DOMAINS:
        raise SimError(f"franka_kitchen has the domains {', '.join(DOMAINS)}, not '{domain}'")


def draw_start(
    domain: str, seed: int, handle: str, home: np.ndarray, model: mujoco.MjModel, data: mujoco.MjData
) -> Start:
    """Return the start of an episode in which the arm touches nothing and can reach the handle.

    Args:
        domain: one of DOMAINS.
        seed: of the episode.
        handle: site of the handle.
        home: the package's positions (nq,).
        model: the package's; its kitchen is moved.
        data: overwritten.

    Raises:
        SimError: unknown domain.
    """
    check_domain(domain)
    spread, rng = DOMAINS[domain], np.random.default_rng([seed, _STREAM_ID])
    low, high = model.jnt_range[:9].T
    for _ in range(_MAX_DRAWS):
        qpos = home.copy()
        qpos[:9] += spread.joints * rng.uniform(-1, 1, 9) * (high - low)
        x, y, z = KitchenPose().array()[:3] + spread.position * rng.uniform(-1, 1, 3)
        kitchen = KitchenPose(x, y, z, -spread.yaw * rng.uniform())
        place_kitchen(model, kitchen)
        data.qpos[:] = qpos
        mujoco.mj_forward(model, data)
        distance = np.linalg.norm(data.site(handle).xpos - _SHOULDER)
        if data.ncon <= _MAX_CONTACTS and distance < _REACH:
            return Start(qpos, kitchen)
    raise SimError(f"no start for seed {seed} in {_MAX_DRAWS} draws")

"""Physics solver settings: those of the released environment, and the faster default."""

from dataclasses import dataclass

import mujoco

from lossless_sim.errors import unknown
from lossless_sim.timing import CONTROL_PERIOD


@dataclass(frozen=True)
class Physics:
    """Solver settings of MuJoCo.

    Attributes:
        timestep: of the simulation [s]; divides CONTROL_PERIOD.
        noslip_iterations: of the noslip solver, which prevents slow slipping of grasped objects.
        impratio: ratio of friction to normal impedance; values above 1 reduce the same slip without noslip.
        integrator: name of a mujoco.mjtIntegrator.
        iterations: limit of the Newton solver.
        tolerance: at which the solver terminates early.
        ls_iterations: limit of its line search.
        multiccd: several contact points between two flat faces, so that resting objects do not rattle.
        nativeccd: MuJoCo's own collision detection of convex meshes, in place of libccd. With multiccd it loses the
            contact between resting faces in a quarter of the steps, and stacks creep until they fall.
        lean: disable collisions of links that cannot touch anything in the basket.
    """

    timestep: float
    noslip_iterations: int
    impratio: float
    integrator: str
    iterations: int
    tolerance: float
    ls_iterations: int
    multiccd: bool
    nativeccd: bool
    lean: bool

    @property
    def substeps(self) -> int:
        """Number of physics steps per control period."""
        return round(CONTROL_PERIOD / self.timestep)

    def apply(self, spec: mujoco.MjSpec) -> None:
        """Write the settings into a model before it is compiled."""
        option = spec.option
        option.timestep = self.timestep
        option.noslip_iterations = self.noslip_iterations
        option.impratio = self.impratio
        option.integrator = getattr(mujoco.mjtIntegrator, f"mjINT_{self.integrator.upper()}")
        option.iterations = self.iterations
        option.tolerance = self.tolerance
        option.ls_iterations = self.ls_iterations
        if self.multiccd:
            option.enableflags |= mujoco.mjtEnableBit.mjENBL_MULTICCD
        if not self.nativeccd:
            option.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD


PHYSICS = {
    "reference": Physics(
        timestep=0.0005,
        noslip_iterations=5,
        impratio=1.0,
        integrator="euler",
        iterations=100,
        tolerance=1e-8,
        ls_iterations=50,
        multiccd=False,
        nativeccd=True,
        lean=False,
    ),
    "fast": Physics(
        timestep=0.002,
        noslip_iterations=0,
        impratio=10.0,
        integrator="implicitfast",
        iterations=20,
        tolerance=1e-6,
        ls_iterations=20,
        multiccd=True,
        nativeccd=False,
        lean=True,
    ),
}


def physics(name: str) -> Physics:
    """Return solver settings by name.

    Raises:
        SimError: unknown name; the message lists the known ones.
    """
    if name not in PHYSICS:
        raise unknown("physics", name, PHYSICS)
    return PHYSICS[name]

"""How the physics is solved: as the released environment does, and the faster default."""

from dataclasses import dataclass

import mujoco

from lossless_sim.errors import unknown

CONTROL_PERIOD = 0.05  # [s], 20 Hz (released environment)


@dataclass(frozen=True)
class Physics:
    """Solver settings of MuJoCo.

    Attributes:
        timestep: of the physics [s]; divides CONTROL_PERIOD.
        noslip_iterations: of the noslip solver, which stops creep of grasped objects.
        impratio: friction impedance over normal impedance; above 1 it slows the same creep without noslip.
        integrator: name of a mujoco.mjtIntegrator.
        iterations: most iterations of the Newton solver.
        tolerance: at which it stops earlier.
        ls_iterations: most iterations of its line search.
        multiccd: several contact points where two flat faces meet, so that resting objects do not rattle.
        lean: leave out what cannot touch anything in the basket (arm links).
    """

    timestep: float
    noslip_iterations: int
    impratio: float
    integrator: str
    iterations: int
    tolerance: float
    ls_iterations: int
    multiccd: bool
    lean: bool

    @property
    def substeps(self) -> int:
        """Physics steps in a control period."""
        return round(CONTROL_PERIOD / self.timestep)

    def apply(self, spec: mujoco.MjSpec) -> None:
        """Write the settings into a model that is not compiled yet."""
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


PHYSICS = {
    "reference": Physics(0.0005, 5, 1.0, "euler", 100, 1e-8, 50, multiccd=False, lean=False),
    "fast": Physics(0.002, 0, 10.0, "implicitfast", 20, 1e-6, 20, multiccd=True, lean=True),
}


def physics(name: str) -> Physics:
    """Settings by name.

    Raises:
        SimError: unknown name; the message lists the known ones.
    """
    if name not in PHYSICS:
        raise unknown("physics", name, PHYSICS)
    return PHYSICS[name]

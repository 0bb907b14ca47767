"""Position limits of a robot's joints, checked in every frame."""

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.control.faults import joint_fault
from lossless_ros.errors import LosslessError, unknown


class JointLimits:
    """Limits of joints [rad] by the robot's names for them, and where their positions are in the proprioception.

    Raises:
        LosslessError: a joint is not in the contract, or its limits are not a range.
    """

    def __init__(self, contract: Contract, robot: Robot) -> None:
        index = {robot.joints.get(name, name): at for name, at in contract.joints().items()}
        for name, limits in robot.joint_limits.items():
            if name not in index:
                raise unknown("joint", name, index)
            if len(limits) != 2 or not limits[0] < limits[1]:
                raise LosslessError(
                    f"joint_limits of {name} are {list(limits)}, expected the lowest and the highest [rad]"
                )
        self._names = list(robot.joint_limits)
        self._indices = [index[name] for name in self._names]
        self._limits = np.array([robot.joint_limits[name] for name in self._names])  # (n, 2) rad

    def fault(self, proprioception: np.ndarray) -> str | None:
        """Return which joint is beyond its limits, None if none is."""
        if not self._names:
            return None
        return joint_fault(proprioception[self._indices], self._limits, self._names)

"""Position limits of a robot's joints, checked in every frame."""

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.control.faults import joint_fault
from lossless_ros.errors import LosslessError


class JointLimits:
    """Limits of joints [rad] by the robot's names for them, and where their positions are in the proprioception.

    Attributes:
        contract: the contract, with these joints in its proprioception: what frames must have.

    Raises:
        LosslessError: a joint's limits are not a range.
    """

    def __init__(self, contract: Contract, robot: Robot) -> None:
        for name, limits in robot.joint_limits.items():
            if len(limits) != 2 or not limits[0] < limits[1]:
                raise LosslessError(
                    f"joint_limits of {name} are {list(limits)}, expected the lowest and the highest [rad]"
                )
        self._names = list(robot.joint_limits)
        joints = [robot.contract_joint(name) for name in self._names]
        self.contract = contract.with_joints(joints)
        self._indices = [self.contract.joints()[joint] for joint in joints]
        self._limits = np.array([robot.joint_limits[name] for name in self._names])  # (n, 2) rad

    def fault(self, proprioception: np.ndarray) -> str | None:
        """Return which joint is beyond its limits, None if none is."""
        if not self._names:
            return None
        return joint_fault(proprioception[self._indices], self._limits, self._names)

"""Position limits of a robot's joints, checked in every frame."""

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.control.faults import joint_fault
from lossless_ros.errors import LosslessError


class JointLimits:
    """Limits of joints [rad or m] by the robot's names for them, and where their positions are in the proprioception.

    Attributes:
        contract: the contract, with these joints in its proprioception: what frames must have.

    Raises:
        LosslessError: a joint's limits are not a range.
    """

    def __init__(self, contract: Contract, robot: Robot) -> None:
        ranges = joint_ranges(robot)
        sliding = {axis.axis for axis in contract.action.axes if axis.prismatic}
        self.contract = contract.with_joints(ranges)
        self._names = [robot.joint(joint) for joint in ranges]
        self._units = ["m" if joint in sliding else "rad" for joint in ranges]
        self._indices = [self.contract.joints()[joint] for joint in ranges]
        self._limits = np.array(list(ranges.values()))  # (n, 2) rad or m

    def fault(self, proprioception: np.ndarray) -> str | None:
        """Return which joint is beyond its limits, None if none is."""
        if not self._names:
            return None
        return joint_fault(proprioception[self._indices], self._limits, self._names, self._units)


def joint_ranges(robot: Robot) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest position [rad or m] of each joint that a robot limits, by the contract's names.

    Raises:
        LosslessError: a joint's limits are not a range, or they are given under the contract's name of a renamed joint.
    """
    for name, limits in robot.joint_limits.items():
        if robot.joint(robot.contract_joint(name)) != name:
            raise LosslessError(
                f"joint_limits has {name}, which the robot's file calls {robot.joint(name)}; use that name"
            )
        if len(limits) != 2 or not limits[0] < limits[1]:
            raise LosslessError(
                f"joint_limits of {name} are {list(limits)}, expected the lowest and the highest [rad or m]"
            )
    return {robot.contract_joint(name): (limits[0], limits[1]) for name, limits in robot.joint_limits.items()}

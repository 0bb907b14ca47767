"""Which joints of the contract have come: a robot's devices may publish theirs in messages of their own."""

from collections.abc import Collection, Iterable
from typing import Any

from lossless_ros.contract import JOINT_STATES, Contract, Robot

_MAX_NAMES = 12  # of a message


class JointInventory:
    """The joints of the contract, and the names of all joints that came on the topic."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        self._robot = robot
        self._expected = contract.parts(JOINT_STATES)
        self._seen: dict[str, None] = {}

    def add(self, msg: Any) -> None:
        """Take note of the joints of a JointState."""
        self._seen.update(dict.fromkeys(msg.name))

    def missing_text(self, missing: Collection[str] | None = None) -> str:
        """Return which joints have no position, by the robot's names, and which names the topic has.

        Args:
            missing: of the contract's joints; None for those that never came. Empty text for none.
        """
        names = {joint: self._robot.joints.get(joint, joint) for joint in self._expected}
        if missing is None:
            missing = [joint for joint, name in names.items() if name not in self._seen]
        lacking = [names[joint] for joint in missing]
        return f"no position of {_join(lacking)}; it has {_join(self._seen) or 'no joints'}" if lacking else ""


def _join(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_MAX_NAMES]) + (", ..." if len(listed) > _MAX_NAMES else "")

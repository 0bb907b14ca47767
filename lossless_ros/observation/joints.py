"""Which joints of the contract have come: a robot's devices may publish theirs in messages of their own."""

from collections.abc import Iterable
from typing import Any

from lossless_ros.contract import JOINT_STATES, Contract, Robot

_MAX_NAMES = 12  # in a text
_MAX_SEEN = 256  # that are kept: a topic may have any number of names


class JointInventory:
    """The joints of the contract, and the names of all joints that came on the topic."""

    def __init__(self, contract: Contract, robot: Robot) -> None:
        self._robot = robot
        self._expected = contract.parts(JOINT_STATES)
        self.seen: dict[str, None] = {}  # names on the topic

    def add(self, msg: Any) -> None:
        """Take note of the joints of a JointState."""
        if len(self.seen) < _MAX_SEEN:
            self.seen.update(dict.fromkeys(msg.name[:_MAX_SEEN]))

    @property
    def never_seen(self) -> list[str]:
        """Return the contract's joints that no message had."""
        return [joint for joint in self._expected if self._name(joint) not in self.seen]

    def missing_text(self, missing: Iterable[str]) -> str:
        """Return that these of the contract's joints have no position, by the robot's names, and what the topic has."""
        return f"no position of {_join(map(self._name, missing))}; it has {_join(self.seen) or 'no joints'}"

    def _name(self, joint: str) -> str:
        return self._robot.joint(joint)


def _join(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_MAX_NAMES]) + (", ..." if len(listed) > _MAX_NAMES else "")

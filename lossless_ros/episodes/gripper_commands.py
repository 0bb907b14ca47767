"""The recorded commands of a gripper."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lossless_ros.contract import Gripper
from lossless_ros.episodes.arm_commands import ArmCommand
from lossless_ros.errors import DataError

_END_SHARE = 0.04  # of the stroke: commands that all lie at one end are within this of it


class GripperCommands:
    """The gripper commands on one topic of a bag.

    Args:
        gripper: the robot's, whose ends the commands go to.
        topic: where the commands are, without the leading slash.
    """

    def __init__(self, gripper: Gripper, topic: str) -> None:
        self.gripper, self.topic = gripper, f"/{topic}"
        self._received: list[tuple[int, float]] = []  # logged [ns], command

    @property
    def range(self) -> tuple[float, float] | None:
        """Return the lowest and the highest command, None without one."""
        commands = [command for _, command in self._received]
        return (min(commands), max(commands)) if commands else None

    def add(self, logged: int, msg: Any) -> None:
        """Add a message, logged at that time [ns].

        Raises:
            DataError: it cannot be used.
        """
        self._received.append((logged, _position(msg)))

    def ordered(self) -> list[tuple[int, float]]:
        """Return when each command was logged [ns], and the command, by that time."""
        return sorted(self._received)

    def fault(self) -> str | None:
        """Return why these are not commands of the gripper, None if they are."""
        if not self._received:
            return f"no message on {self.topic}: the gripper is never known"
        return self._range_fault()

    def _range_fault(self) -> str | None:
        """Return why the commands are not between the gripper's ends."""
        gripper = self.gripper
        commands = np.array([command for _, command in self._received])
        strokes = (commands - gripper.open) / (gripper.closed - gripper.open)  # 0 is open, 1 is closed
        ends = f"expected {gripper.open:g} (open) to {gripper.closed:g} (closed); other units? see the robot's gripper:"
        found = f"{commands.min():g} to {commands.max():g}" if len(set(commands)) > 1 else f"{commands[0]:g}"
        beyond = (strokes < -_END_SHARE) | (strokes > 1 + _END_SHARE)
        if beyond.any():
            return (
                f"{beyond.sum()} of {len(commands)} gripper commands on {self.topic} are out of range ({found}), {ends}"
            )
        for end, name in ((strokes, "open"), (1 - strokes, "closed")):
            if (end <= 0.5).all() and end.max() > _END_SHARE:
                return (
                    f"all {len(commands)} gripper commands on {self.topic} are nearer to {name}, "
                    f"but not all are there ({found}), {ends}"
                )
        return None

    def changes_in_pauses(self, arm: Sequence[ArmCommand], longest_ns: float, period_ns: int) -> int:
        """Return how often the gripper opens or closes while the arm has no commands.

        Args:
            arm: the arm's commands by their stamps.
            longest_ns: a longer time between two of them is a pause [ns].
            period_ns: of control [ns].
        """
        grippers = self.ordered()
        actions = [self.gripper.action(command) for _, command in grippers]
        changes = [time for (time, _), a, b in zip(grippers[1:], actions, actions[1:], strict=False) if a != b]
        count = 0
        for before, after in zip(arm, arm[1:], strict=False):
            if after.stamp - before.stamp > longest_ns:
                # the change is learned if the next label has it and the one before does not within a period
                count += sum(before.logged + period_ns < time < after.logged for time in changes)
        return count


def _position(msg: Any) -> float:
    """Return the gripper command of a Float64MultiArray.

    Raises:
        DataError: it is not one finite number.
    """
    if len(msg.data) != 1:
        raise DataError(f"the gripper command has {len(msg.data)} numbers, expected 1")
    if not np.isfinite(msg.data[0]):
        raise DataError(f"the gripper command is not finite: {float(msg.data[0])}")
    return float(msg.data[0])

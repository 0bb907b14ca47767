"""The commands of a recording: what a frame's action is, and what keeps them from being learned."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.arm_commands import ArmCommand, ArmCommands
from lossless_ros.episodes.command_topics import CommandTopics
from lossless_ros.episodes.gripper_commands import GripperCommands
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.timing import longest_silence


@dataclass(frozen=True)
class LabeledFrames:
    """Frames with their actions.

    Attributes:
        frames: T frames that have an action.
        actions: (T, dim) float32: m/s, rad/s, gripper -1 or +1.
        left_out: number of frames without one, by reason.
        notes: on what was left out, one line each.
    """

    frames: list[Frame]
    actions: np.ndarray
    left_out: Counter[str]
    notes: tuple[str, ...]


class RecordedCommands:
    """The arm and gripper commands of a bag.

    Args:
        contract: what the actions are.
        robot: who recorded the bag.
        topics: where the commands are in it.
    """

    def __init__(self, contract: Contract, robot: Robot, topics: CommandTopics) -> None:
        self.topics = topics
        self._contract = contract
        self._arm = ArmCommands(contract, robot, topics.arm, topics.arm_type)
        gripper = robot.gripper_of(contract)
        self._gripper = GripperCommands(gripper, topics.gripper) if gripper and topics.gripper else None

    @property
    def delays(self) -> dict[str, list[int]]:
        """Return how long after its stamp each arm command was recorded [ns], by topic.

        Joint velocities have no stamp and no delay: when they were logged has to be by the clock of the stamps.
        """
        return {self._arm.topic: [command.logged - command.stamp for command in self._arm.received]}

    @property
    def gripper_range(self) -> tuple[float, float] | None:
        """Return the lowest and the highest gripper command, None without one."""
        return self._gripper.range if self._gripper else None

    def add(self, topic: str, logged: int, msg: Any) -> None:
        """Add a message of one of the topics, logged at that time [ns].

        Raises:
            DataError: the message cannot be used.
        """
        if self._gripper and topic == self.topics.gripper:
            self._gripper.add(logged, msg)
        else:
            self._arm.add(logged, msg)

    def fault(self) -> str | None:
        """Return why no policy should learn from these commands, None if nothing is wrong."""
        return self._arm.fault() or (self._gripper.fault() if self._gripper else None)

    def label(self, frames: Sequence[Frame]) -> LabeledFrames:
        """Return the frames that have an action: the first arm command within one period, and the gripper's by then.

        Gripper commands have no stamp: the latest one logged by the time of the arm's command, or a quarter of a period
        later, holds. Before the first one the gripper is unknown.
        """
        commands = self._arm.ordered()
        stamps = [command.stamp for command in commands]
        outputs = self._gripper_outputs(commands)
        period = self._contract.period_ns
        labeled: list[Frame] = []
        actions: list[np.ndarray] = []
        left_out: Counter[str] = Counter()
        for frame in frames:
            index = bisect_left(stamps, frame.stamp)
            if index == len(stamps) or stamps[index] >= frame.stamp + period:
                left_out[self._reason(stamps, index)] += 1
                continue
            output = outputs[index]
            if output is None:
                assert self._gripper
                left_out[f"before the first message on {self._gripper.topic}"] += 1
                continue
            labeled.append(frame)
            actions.append(np.append(commands[index].velocity[self._arm.columns], output))
        array = np.array(actions, np.float32).reshape(len(actions), self._contract.action.dim)
        return LabeledFrames(labeled, array, left_out, self._notes(commands))

    def _gripper_outputs(self, commands: Sequence[ArmCommand]) -> list[list[float] | None]:
        """Return for each arm command the policy's output for the gripper: none without a gripper, None if unknown."""
        if self._gripper is None:
            return [[] for _ in commands]
        grippers, action = self._gripper.ordered(), self._contract.action
        logged = [time for time, _ in grippers]
        outputs: list[list[float] | None] = []
        for command in commands:
            number = bisect_left(logged, command.logged + self._contract.period_ns // 4 + 1)
            outputs.append([action.gripper_output(grippers[number - 1][1], self._gripper.gripper)] if number else None)
        return outputs

    def _reason(self, stamps: list[int], index: int) -> str:
        """Return why there is no command for a frame that is followed by the one at `index`, if by any."""
        topic = self._arm.topic
        if index == 0:
            return f"before the first message on {topic}"
        if index == len(stamps):
            return f"after the last message on {topic}"
        pause = stamps[index] - stamps[index - 1] > self._contract.max_age_s * 1e9
        return f"{topic} is silent" if pause else f"no message on {topic} within a period"

    def _notes(self, commands: list[ArmCommand]) -> tuple[str, ...]:
        """Return the arm's longest pause, if it exceeds the contract's age, and what the gripper does in it."""
        contract = self._contract
        silence, after = longest_silence([command.stamp for command in commands])
        if silence <= contract.max_age_s:
            return ()
        note = f"{self._arm.topic} is silent for up to {silence:.2f} s (after {after:.2f} s)"
        changes = 0
        if self._gripper:
            changes = self._gripper.changes_in_pauses(commands, contract.max_age_s * 1e9, contract.period_ns)
        if changes:
            note += f"; the gripper command changes {changes} times in such pauses, which no policy can learn"
        return (note,)

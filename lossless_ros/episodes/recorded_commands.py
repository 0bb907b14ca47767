"""The commands of a recording: what a frame's action is, and what keeps them from being learned."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_ros.contract import GRIPPER_TOPIC, TWIST_AXES, TWIST_TOPIC, Contract, Robot
from lossless_ros.episodes.bag import Topic
from lossless_ros.errors import DataError
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.messages import check_frame_id, stamp_ns
from lossless_ros.observation.timing import longest_silence, order_fault, rate_fault

_ROUNDING = 1e-3  # relative amount by which a velocity may exceed its limit
_STRAY_SHARE = 0.05  # of the largest limit: faster motion along an axis that the contract lacks is part of the task
_STRAY_SPEED = {"m/s": 0.005, "rad/s": 0.05}  # the same, where the contract has no axis of that unit
_END_SHARE = 0.04  # of the stroke: commands that all lie at one end are within this of it


COMMAND_TYPES = ("geometry_msgs/msg/TwistStamped", "std_msgs/msg/Float64MultiArray")  # of twist and gripper
_TWIST_ECHOES = ("/inference_node/sent", "/inference_node/would_send")  # endings of topics
_GRIPPER_ECHOES = ("/inference_node/would_send/gripper",)


@dataclass(frozen=True)
class CommandTopics:
    """Topics of the commands in a bag, without the leading slash."""

    twist: str
    gripper: str

    def or_echoes(self, present: Mapping[str, Topic]) -> "CommandTopics":
        """Return these topics, or where a bag has nothing on them, those on which the inference node echoes them."""
        twist = _or_echo(self.twist, _TWIST_ECHOES, present)
        return CommandTopics(twist, _or_echo(self.gripper, _GRIPPER_ECHOES, present))

    @staticmethod
    def of(robot: Robot) -> "CommandTopics":
        """Return a robot's own topics."""
        return CommandTopics(*(robot.topic(topic).removeprefix("/") for topic in (TWIST_TOPIC, GRIPPER_TOPIC)))


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


@dataclass(frozen=True)
class _Twist:
    stamp: int  # [ns]
    logged: int  # [ns]
    velocity: np.ndarray  # (6,) linear x, y, z [m/s], angular x, y, z [rad/s]


class RecordedCommands:
    """The twists and gripper commands of a bag.

    Args:
        contract: what the actions are.
        robot: who recorded the bag.
        topics: where the commands are in it.
    """

    def __init__(self, contract: Contract, robot: Robot, topics: CommandTopics) -> None:
        self.topics = topics
        self._contract, self._frame_id = contract, robot.command_frame(contract)
        self._action, self._gripper = contract.action, robot.gripper or contract.action.gripper
        self._twists: list[_Twist] = []
        self._grippers: list[tuple[int, float]] = []  # logged [ns], command

    @property
    def types(self) -> dict[str, str]:
        """Return the message type of each topic."""
        return dict(zip((self.topics.twist, self.topics.gripper), COMMAND_TYPES, strict=True))

    @property
    def delays(self) -> dict[str, list[int]]:
        """Return how long after its stamp each twist was recorded [ns], by topic."""
        return {f"/{self.topics.twist}": [twist.logged - twist.stamp for twist in self._twists]}

    @property
    def gripper_range(self) -> tuple[float, float] | None:
        """Return the lowest and the highest gripper command, None without one."""
        commands = [command for _, command in self._grippers]
        return (min(commands), max(commands)) if commands else None

    def add(self, topic: str, logged: int, msg: Any) -> None:
        """Add a message of one of the topics, logged at that time [ns].

        Raises:
            DataError: the message cannot be used.
        """
        if topic == self.topics.twist:
            check_frame_id(msg, self._frame_id)
            self._twists.append(_Twist(stamp_ns(msg), logged, _velocity(msg)))
        else:
            self._grippers.append((logged, _position(msg)))

    def fault(self) -> str | None:
        """Return why no policy should learn from these commands, None if nothing is wrong."""
        topic, stamps = f"/{self.topics.twist}", [twist.stamp for twist in self._twists]
        return (
            (None if self._twists else f"no message on {topic}")
            or (None if self._grippers else f"no message on /{self.topics.gripper}: the gripper is never known")
            or order_fault(self._contract, topic, stamps)
            or rate_fault(self._contract, topic, stamps)
            or self._speed_fault(topic)
            or self._stray_fault(topic)
            or self._gripper_fault()
        )

    def label(self, frames: Sequence[Frame]) -> LabeledFrames:
        """Return the frames that have an action: the first twist within one period, and the gripper command by then.

        Gripper commands have no stamp: the latest one logged by the time of the twist, or a quarter of a period later,
        holds. Before the first one the gripper is unknown.
        """
        twists, grippers = sorted(self._twists, key=lambda twist: twist.stamp), sorted(self._grippers)
        stamps, logged = [twist.stamp for twist in twists], [time for time, _ in grippers]
        columns = [TWIST_AXES.index(axis.axis) for axis in self._contract.action.axes]
        period = self._contract.period_ns
        labeled: list[Frame] = []
        actions: list[np.ndarray] = []
        left_out: Counter[str] = Counter()
        for frame in frames:
            index = bisect_left(stamps, frame.stamp)
            if index == len(stamps) or stamps[index] >= frame.stamp + period:
                left_out[self._reason(stamps, index)] += 1
                continue
            twist = twists[index]
            number = bisect_left(logged, twist.logged + period // 4 + 1)
            if not number:
                left_out[f"before the first message on /{self.topics.gripper}"] += 1
                continue
            labeled.append(frame)
            opening = self._action.gripper_output(grippers[number - 1][1], self._gripper)
            actions.append(np.append(twist.velocity[columns], opening))
        array = np.array(actions, np.float32).reshape(len(actions), self._contract.action.dim)
        return LabeledFrames(labeled, array, left_out, self._notes(twists))

    def _reason(self, stamps: list[int], index: int) -> str:
        """Return why there is no twist for a frame that is followed by the twist at `index`, if by any."""
        topic = f"/{self.topics.twist}"
        if index == 0:
            return f"before the first message on {topic}"
        if index == len(stamps):
            return f"after the last message on {topic}"
        pause = stamps[index] - stamps[index - 1] > self._contract.max_age_s * 1e9
        return f"{topic} is silent" if pause else f"no message on {topic} within a period"

    def _notes(self, twists: list[_Twist]) -> tuple[str, ...]:
        """Return the longest pause of the twists, if it exceeds the contract's age, and what the gripper does in it."""
        silence, after = longest_silence([twist.stamp for twist in twists])
        if silence <= self._contract.max_age_s:
            return ()
        note = f"/{self.topics.twist} is silent for up to {silence:.2f} s (after {after:.2f} s)"
        changes = self._changes_in_pauses(twists)
        if changes:
            note += f"; the gripper command changes {changes} times in such pauses, which no policy can learn"
        return (note,)

    def _changes_in_pauses(self, twists: list[_Twist]) -> int:
        """Return how often the gripper opens or closes while there are no twists."""
        grippers = sorted(self._grippers)
        actions = [self._gripper.action(command) for _, command in grippers]
        changes = [time for (time, _), a, b in zip(grippers[1:], actions, actions[1:], strict=False) if a != b]
        count = 0
        for before, after in zip(twists, twists[1:], strict=False):
            if after.stamp - before.stamp > self._contract.max_age_s * 1e9:
                # the change is learned if the next label has it and the one before does not within a period
                count += sum(before.logged + self._contract.period_ns < time < after.logged for time in changes)
        return count

    def _speed_fault(self, topic: str) -> str | None:
        """Return how many twists exceed the contract's limits, and by how much the worst one does."""
        axes = self._contract.action.axes
        speeds = np.abs(self._velocities()[:, [TWIST_AXES.index(axis.axis) for axis in axes]])  # (N, A)
        limits = np.array([axis.limit for axis in axes])
        beyond = (speeds > limits * (1 + _ROUNDING)).any(1)
        if not beyond.any():
            return None
        worst = int((speeds / limits).max(0).argmax())
        axis, found = axes[worst], float(speeds[:, worst].max())
        return (
            f"{beyond.sum()} of {len(speeds)} twists on {topic} exceed the limits of contract "
            f"'{self._contract.name}' (up to {found:.3g} of {axis.limit:g} {axis.unit} on {axis.axis}); "
            "are they unitless? expected m/s and rad/s within the limits"
        )

    def _stray_fault(self, topic: str) -> str | None:
        """Return how many twists move along an axis that the contract lacks."""
        ours = {axis.axis: axis for axis in self._contract.action.axes}
        speeds = np.abs(self._velocities())  # (N, 6)
        for column, name in enumerate(TWIST_AXES):
            unit = "m/s" if name.startswith("linear") else "rad/s"
            limits = [axis.limit for axis in ours.values() if axis.unit == unit]
            allowed = _STRAY_SHARE * max(limits) if limits else _STRAY_SPEED[unit]
            count = int((speeds[:, column] > allowed).sum())
            if name not in ours and count:
                return (
                    f"{count} of {len(speeds)} twists on {topic} move along {name} "
                    f"(up to {speeds[:, column].max():.3g} {unit}), which contract '{self._contract.name}' does not "
                    "command; add the axis to the contract"
                )
        return None

    def _gripper_fault(self) -> str | None:
        """Return why the gripper commands are not those of the contract's or the robot's gripper."""
        gripper, topic = self._gripper, f"/{self.topics.gripper}"
        commands = np.array([command for _, command in self._grippers])
        strokes = (commands - gripper.open) / (gripper.closed - gripper.open)  # 0 is open, 1 is closed
        ends = f"expected {gripper.open:g} (open) to {gripper.closed:g} (closed); other units? see the robot's gripper:"
        found = f"{commands.min():g} to {commands.max():g}" if len(set(commands)) > 1 else f"{commands[0]:g}"
        beyond = (strokes < -_END_SHARE) | (strokes > 1 + _END_SHARE)
        if beyond.any():
            return f"{beyond.sum()} of {len(commands)} gripper commands on {topic} are out of range ({found}), {ends}"
        for end, name in ((strokes, "open"), (1 - strokes, "closed")):
            if (end <= 0.5).all() and end.max() > _END_SHARE:
                return (
                    f"all {len(commands)} gripper commands on {topic} are nearer to {name}, "
                    f"but not all are there ({found}), {ends}"
                )
        return None

    def _velocities(self) -> np.ndarray:
        return np.array([twist.velocity for twist in self._twists])  # (N, 6)


def _or_echo(topic: str, endings: Sequence[str], present: Mapping[str, Topic]) -> str:
    if topic in present and present[topic].count:
        return topic
    used = [name for name, found in present.items() if found.count]
    return next((name for ending in endings for name in used if f"/{name}".endswith(ending)), topic)


def _velocity(msg: Any) -> np.ndarray:
    """Return the velocity (6,) of a TwistStamped: linear x, y, z [m/s], angular x, y, z [rad/s].

    Raises:
        DataError: a component is not finite.
    """
    parts = (msg.twist.linear, msg.twist.angular)
    velocity = np.array([getattr(part, axis) for part in parts for axis in "xyz"], np.float64)
    if not np.isfinite(velocity).all():
        raise DataError(f"the velocity is not finite: {velocity.tolist()}")
    return velocity


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

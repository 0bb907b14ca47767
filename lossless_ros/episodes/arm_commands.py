"""The recorded velocities of an arm: of its tool, or of its joints."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lossless_ros.contract import JOINTS, TWIST_AXES, Contract, Robot
from lossless_ros.episodes.command_topics import JOINT_STATE, TWIST
from lossless_ros.errors import DataError
from lossless_ros.observation.messages import check_frame_id, stamp_ns
from lossless_ros.observation.timing import order_fault, rate_fault

_ROUNDING = 1e-3  # relative amount by which a velocity may exceed its limit
_STRAY_SHARE = 0.05  # of the largest limit: faster motion along an axis that the contract lacks is part of the task
_STRAY_SPEED = {"m/s": 0.005, "rad/s": 0.05}  # the same, where the contract has no axis of that unit


@dataclass(frozen=True)
class ArmCommand:
    """A velocity command.

    Attributes:
        stamp: of the message [ns]; joint velocities have none, and it is when they were logged.
        logged: when it was logged [ns].
        velocity: of a twist (6,): linear x, y, z [m/s], angular x, y, z [rad/s]; of the contract's joints (A,).
    """

    stamp: int
    logged: int
    velocity: np.ndarray


class ArmCommands:
    """The velocity commands on one topic of a bag.

    Args:
        contract: what is commanded.
        robot: who recorded the bag.
        topic: where the commands are, without the leading slash.
        kind: their type, see `CommandTopics`.

    Attributes:
        received: the commands in the order of the bag.
        topic: with the leading slash, for texts.
        columns: index of each of the contract's axes in the velocity of a command.
    """

    def __init__(self, contract: Contract, robot: Robot, topic: str, kind: str) -> None:
        self.received: list[ArmCommand] = []
        self.topic = f"/{topic}"
        self._contract, self._kind, self._frame_id = contract, kind, robot.command_frame(contract)
        axes = [axis.axis for axis in contract.action.axes]
        self._commands_joints = contract.action.space == JOINTS
        self._joints = [robot.joint(name) for name in axes]  # by the robot's names
        self.columns = list(range(len(axes))) if self._commands_joints else [TWIST_AXES.index(axis) for axis in axes]

    def add(self, logged: int, msg: Any) -> None:
        """Add a message, logged at that time [ns].

        Raises:
            DataError: it cannot be used.
        """
        if self._kind == TWIST:
            check_frame_id(msg, self._frame_id)
            self.received.append(ArmCommand(stamp_ns(msg), logged, _twist(msg)))
        elif self._kind == JOINT_STATE:
            self.received.append(ArmCommand(stamp_ns(msg), logged, _named_velocities(msg, self._joints)))
        else:
            self.received.append(ArmCommand(logged, logged, _joint_velocities(msg, self._joints)))

    def ordered(self) -> list[ArmCommand]:
        """Return the commands by their stamps."""
        return sorted(self.received, key=lambda command: command.stamp)

    def fault(self) -> str | None:
        """Return why no policy should learn from these commands, None if nothing is wrong."""
        if not self.received:
            return f"no message on {self.topic}"
        stamps = [command.stamp for command in self.received]
        return (
            order_fault(self._contract, self.topic, stamps)
            or rate_fault(self._contract, self.topic, stamps)
            or self._speed_fault()
            or (None if self._commands_joints else self._stray_fault())
        )

    def _speed_fault(self) -> str | None:
        """Return how many commands exceed the contract's limits, and by how much the worst one does."""
        axes = self._contract.action.axes
        speeds = np.abs(self._velocities()[:, self.columns])  # (N, A)
        limits = np.array([axis.limit for axis in axes])
        beyond = (speeds > limits * (1 + _ROUNDING)).any(1)
        if not beyond.any():
            return None
        worst = int((speeds / limits).max(0).argmax())
        axis, found = axes[worst], float(speeds[:, worst].max())
        return (
            f"{beyond.sum()} of {len(speeds)} {'commands' if self._commands_joints else 'twists'} on {self.topic} "
            f"exceed the limits of contract '{self._contract.name}' (up to {found:.3g} of {axis.limit:g} {axis.unit} "
            f"on {axis.axis}); are they unitless? expected m/s and rad/s within the limits"
        )

    def _stray_fault(self) -> str | None:
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
                    f"{count} of {len(speeds)} twists on {self.topic} move along {name} "
                    f"(up to {speeds[:, column].max():.3g} {unit}), which contract '{self._contract.name}' does not "
                    "command; add the axis to the contract"
                )
        return None

    def _velocities(self) -> np.ndarray:
        return np.array([command.velocity for command in self.received])  # (N, 6) or (N, A)


def _twist(msg: Any) -> np.ndarray:
    """Return the velocity (6,) of a TwistStamped: linear x, y, z [m/s], angular x, y, z [rad/s].

    Raises:
        DataError: a component is not finite.
    """
    parts = (msg.twist.linear, msg.twist.angular)
    return _finite([getattr(part, axis) for part in parts for axis in "xyz"])


def _joint_velocities(msg: Any, joints: list[str]) -> np.ndarray:
    """Return the velocities (A,) of a Float64MultiArray, which has them in the order of the joints.

    Raises:
        DataError: their number is wrong, or one is not finite.
    """
    if len(msg.data) != len(joints):
        raise DataError(f"it has {len(msg.data)} velocities, expected {len(joints)}: {', '.join(joints)}")
    return _finite(msg.data)


def _named_velocities(msg: Any, joints: list[str]) -> np.ndarray:
    """Return the velocities (A,) of the joints in a JointState.

    Raises:
        DataError: one is missing, or not finite.
    """
    velocities = dict(zip(msg.name, msg.velocity, strict=False))
    missing = [joint for joint in joints if joint not in velocities]
    if missing:
        raise DataError(f"it has no velocity of {missing[0]}; expected those of {', '.join(joints)}")
    return _finite([velocities[joint] for joint in joints])


def _finite(values: Any) -> np.ndarray:
    """Return the values as an array.

    Raises:
        DataError: one is not finite.
    """
    velocity = np.array(values, np.float64)
    if not np.isfinite(velocity).all():
        raise DataError(f"the velocity is not finite: {velocity.tolist()}")
    return velocity

"""Where a bag has the commands: on the robot's own topics, or as the inference node echoes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossless_ros.contract import GRIPPER_TOPIC, JOINTS, TWIST_TOPIC, VELOCITY_TOPIC, Contract, Robot
from lossless_ros.episodes.bag import Topic

TWIST, JOINT_STATE, NUMBERS = (
    "geometry_msgs/msg/TwistStamped",
    "sensor_msgs/msg/JointState",
    "std_msgs/msg/Float64MultiArray",
)
_ARM_ECHOES = ("/inference_node/sent", "/inference_node/would_send")  # endings of topics
_GRIPPER_ECHOES = ("/inference_node/would_send/gripper",)


@dataclass(frozen=True)
class CommandTopics:
    """Topics of the commands in a bag, without the leading slash.

    Attributes:
        arm: of the arm.
        arm_type: its messages' type: TWIST, NUMBERS for joint velocities, or JOINT_STATE for an echo of them.
        gripper: of the gripper; None if the contract has none.
    """

    arm: str
    arm_type: str
    gripper: str | None

    @property
    def types(self) -> dict[str, str]:
        """Return the message type of each topic."""
        return {self.arm: self.arm_type, **({self.gripper: NUMBERS} if self.gripper else {})}

    def or_echoes(self, present: Mapping[str, Topic]) -> "CommandTopics":
        """Return these topics, or where a bag has nothing on them, those on which the inference node echoes them."""
        arm = _or_echo(self.arm, _ARM_ECHOES, present)
        echo_type = TWIST if self.arm_type == TWIST else JOINT_STATE
        gripper = self.gripper and _or_echo(self.gripper, _GRIPPER_ECHOES, present)
        return CommandTopics(arm, self.arm_type if arm == self.arm else echo_type, gripper)

    @staticmethod
    def of(contract: Contract, robot: Robot) -> "CommandTopics":
        """Return a robot's own topics for the commands of a contract."""
        arm, kind = (VELOCITY_TOPIC, NUMBERS) if contract.action.space == JOINTS else (TWIST_TOPIC, TWIST)
        gripper = robot.topic(GRIPPER_TOPIC).removeprefix("/") if contract.action.gripper else None
        return CommandTopics(robot.topic(arm).removeprefix("/"), kind, gripper)


def _or_echo(topic: str, endings: Sequence[str], present: Mapping[str, Topic]) -> str:
    if topic in present and present[topic].count:
        return topic
    used = [name for name, found in present.items() if found.count]
    return next((name for ending in endings for name in used if f"/{name}".endswith(ending)), topic)

"""Which topic and message type a stream has: one answer for bags and live topics."""

from collections.abc import Iterable

from lossless_ros.contract import JOINT_STATES, Contract, Robot

COMPRESSED = "/compressed"  # ending of the topics of image_transport's compressed images


def stream_topic(contract: Contract, robot: Robot, stream: str, compressed: bool = False) -> str:
    """Return the robot's topic of a stream; with `compressed` that of a camera's compressed images.

    A robot's file may name the compressed topic itself.
    """
    topic = robot.topic(contract.topic(stream))
    return topic if not compressed or topic.endswith(COMPRESSED) else f"{topic}{COMPRESSED}"


def stream_type(contract: Contract, stream: str, topic: str) -> str:
    """Return the message type of a stream on a topic."""
    if any(camera.name == stream for camera in contract.cameras):
        return "sensor_msgs/msg/CompressedImage" if topic.endswith(COMPRESSED) else "sensor_msgs/msg/Image"
    return "sensor_msgs/msg/JointState" if stream == JOINT_STATES else "geometry_msgs/msg/PoseStamped"


def type_fault(topic: str, found: Iterable[str], expected: str) -> str | None:
    """Return that a topic has other types than expected, None if all that were found are as expected."""
    others = sorted(set(found))
    return None if others in ([], [expected]) else f"{topic} is {' and '.join(others)}, expected {expected}"

"""Check that the names in a robot's file are those of a contract: a typing error must not be ignored."""

from collections.abc import Iterable, Mapping
from functools import cache

from lossless_ros.contract.contract import GRIPPER_TOPIC, JOINT_STATES, TCP_POSE, Contract, load_contract
from lossless_ros.contract.robot import COMMAND_TOPICS, Robot
from lossless_ros.errors import LosslessError
from lossless_ros.paths import share_dir


def check_names(robot: Robot, contract: Contract) -> None:
    """Check that a robot renames only what there is, and nothing to the same name.

    Known are the streams and joints of the contract, the topics of commands, and the joints of the shipped contracts: a
    robot's file may serve several of them.

    Raises:
        LosslessError: an unknown name (the message lists the known ones), or two names for one thing of the robot.
    """
    streams = [contract.topic(stream) for stream in contract.streams]
    topics = dict.fromkeys([*streams, JOINT_STATES, TCP_POSE, *COMMAND_TOPICS.values(), GRIPPER_TOPIC])
    _check_keys("topics", robot.topics, topics, topics)
    joints = list(contract.joints())
    _check_keys("joints", robot.joints, {*joints, *_shipped_joints()}, joints)
    _check_distinct("topics", {topic: robot.topic(topic) for topic in streams})
    _check_distinct("joints", {joint: robot.joint(joint) for joint in joints})


def _check_keys(key: str, names: Mapping[str, str], known: Iterable[str], listed: Iterable[str]) -> None:
    wrong = sorted(set(names) - set(known))
    if wrong:
        raise LosslessError(
            f"robot's file: hardware: {key}: unknown key '{wrong[0]}'; known: {', '.join(listed) or 'none'}"
        )


def _check_distinct(key: str, names: Mapping[str, str]) -> None:
    owners: dict[str, str] = {}
    for ours, theirs in names.items():
        other = owners.setdefault(theirs, ours)
        if other != ours:
            raise LosslessError(f"robot's file: hardware: {key}: '{other}' and '{ours}' are both '{theirs}'")


@cache
def _shipped_joints() -> frozenset[str]:
    names = [path.stem for path in (share_dir() / "config" / "contracts").glob("*.yaml")]
    return frozenset(joint for name in names for joint in load_contract(name).joints())

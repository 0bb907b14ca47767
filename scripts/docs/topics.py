"""The page of topics and services, from what the nodes create.

The parts of the nodes that create publishers and subscriptions are made on real ROS nodes, once for every kind of
command, and the nodes are then asked what they have. Nothing is published.
"""

import dataclasses
import itertools
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from scripts.docs.markdown import code, table
from scripts.docs.topic_descriptions import SERVICES, TOPICS

DOMAIN_ID = 100
DRY_RUN = (False, True)
STANDARD = {"/parameter_events", "/rosout"}  # of every ROS node
INTRO = """# Topics and services

Names are relative: they get the node's namespace, and a [robot file](robot-file.md) maps the contract's topics to
the robot's own. `~` stands for the node's name. `CAMERA` is the name of a camera in the
[contract](contract-file.md)."""
INFERENCE = """## Inference node

It subscribes to the observations of its contract. "When" names the [parameters](node-parameters.md#inference_node)
that a topic depends on, and the contract's `action.space`; topics without an entry are always there, those of the
gripper if the contract has one. `command:=auto`, the default, is `twist` for the tool and `joint_velocity` for
joints."""
SIMULATED = """## Simulated robot

The same topics as a real robot's, from the other side. Its parameter `command` selects the arm commands that it
subscribes to."""


@dataclass(frozen=True)
class Setting:
    """What the topics of a node depend on."""

    space: str  # of the contract's action
    command: str
    dry_run: bool


@dataclass(frozen=True, order=True)
class Endpoint:
    """A topic of a node."""

    direction: str  # in or out
    topic: str  # relative; ~/ for the node's own
    type: str  # package/Name
    reliability: str


def endpoints(node: Any, cameras: tuple[str, ...]) -> set[Endpoint]:
    """Return the topics of a node, those of cameras under the name CAMERA."""
    found = set()
    pairs = [("in", one) for one in node.subscriptions] + [("out", one) for one in node.publishers]
    for direction, one in pairs:
        name = one.topic_name.replace(f"{node.get_fully_qualified_name()}/", "~/")
        if name in STANDARD:
            continue
        name = name if name in ("/clock", "/diagnostics") else name.removeprefix("/")
        camera, _, rest = name.partition("/")
        name = f"CAMERA/{rest}" if camera in cameras else name
        reliability = one.qos_profile.reliability.name.lower().replace("_", " ")
        found.add(Endpoint(direction, name, message_type(one.msg_type), reliability))
    return found


def message_type(kind: Any) -> str:
    """Return a message or service type as package/Name."""
    return f"{kind.__module__.split('.')[0]}/{kind.__name__}"


@contextmanager
def ros() -> Iterator[None]:
    """Initialize ROS on this machine only."""
    import rclpy

    from lossless_ros.ros_environment import stay_on_this_machine

    stay_on_this_machine(os.environ, DOMAIN_ID)
    rclpy.init(args=["--ros-args", "--log-level", "error"])
    try:
        yield
    finally:
        rclpy.shutdown()


def contract_of(space: str) -> Any:
    """Return a contract with a gripper whose action is in that space."""
    from lossless_ros.contract import JOINTS, Axis, load_contract

    contract = load_contract("rgb_stacking")
    if space != JOINTS:
        return contract
    axes = tuple(Axis(name, 1.0) for name in contract.proprioception[0].names)
    return dataclasses.replace(contract, action=dataclasses.replace(contract.action, axes=axes, space=space))


def inference_endpoints(setting: Setting) -> set[Endpoint]:
    """Return the topics of a configured inference node."""
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from lossless_ros.contract import load_robot
    from lossless_ros.control import joint_motion
    from lossless_ros.control.guard import Guard
    from lossless_ros.nodes.inference.commands import Commands
    from lossless_ros.nodes.inference.debug_image import DebugImage
    from lossless_ros.nodes.inference.diagnostics import StatusReporter
    from lossless_ros.nodes.inference.observations import ObservationSubscriber
    from lossless_ros.nodes.inference.parameters import PARAMETERS, motion_limits

    parameters = {parameter.name: parameter.default for parameter in PARAMETERS}
    contract = contract_of(setting.space)
    robot = dataclasses.replace(load_robot("sim"), topics={})
    guard = Guard(motion_limits(contract, robot, parameters), 1 / contract.rate_hz, parameters["resume"])
    node = Node("inference_node", parameter_overrides=[Parameter("use_sim_time", value=True)])
    with mock.patch.object(
        joint_motion, "Kinematics", mock.Mock(return_value=mock.Mock(joints=[]))
    ):  # quick: no model of the arm
        Commands(node, contract, robot, guard, setting.command, setting.dry_run, exclusive=False)
    sources: Any = None  # asked only when a status is published
    StatusReporter(node, "sim", setting.dry_run, sources)
    DebugImage(node)
    for transport in ("raw", "compressed"):
        ObservationSubscriber(node, contract, robot, transport, lambda frame: None)
    found = endpoints(node, tuple(camera.name for camera in contract.cameras))
    node.destroy_node()
    return found


def simulated_endpoints(setting: Setting) -> set[Endpoint]:
    """Return the topics of the simulated robot."""
    from rclpy.node import Node

    from lossless_ros.nodes.sim_robot.interface import SimRobotInterface

    contract = contract_of(setting.space)
    node = Node("sim_robot_node")
    SimRobotInterface(node, contract, setting.command)
    found = endpoints(node, tuple(camera.name for camera in contract.cameras))
    node.destroy_node()
    return found


def services() -> list[tuple[str, str]]:
    """Return the inference node's own services and their types, in the order of the code."""
    from lossless_ros.nodes.inference_node import InferenceNode

    node = InferenceNode()
    found = [(service.srv_name, message_type(service.srv_type)) for service in node.services]
    node.destroy_node()
    return [(name, kind) for name, kind in found if name.startswith("~/")]


def condition(present: set[Setting], every: Collection[Setting]) -> str:
    """Return the parameters, and the contract's space, as text, with which a topic is there."""
    spaces, kinds = {one.space for one in present}, {one.command for one in present}
    parts = []
    if spaces != {one.space for one in every if one.command in kinds}:
        parts += [f"`action.space: {space}`" for space in spaces]
    if kinds != {one.command for one in every if one.space in spaces}:
        listed = dict.fromkeys(one.command for one in every if one.command in kinds)
        parts.append(" or ".join(f"`command:={kind}`" for kind in listed))
    dry = {one.dry_run for one in present}
    if len(dry) < len(DRY_RUN):
        parts.append(f"`dry_run:={str(dry.pop()).lower()}`")
    return ", ".join(parts)


def rows(found: dict[Setting, set[Endpoint]], node: str, direction: str) -> list[tuple[str, ...]]:
    """Return the table's rows of a node and a direction, in the order of the descriptions."""
    every = {endpoint for one in found.values() for endpoint in one if endpoint.direction == direction}
    lines: list[tuple[str, ...]] = []
    for endpoint in sorted(every, key=lambda one: (list(TOPICS).index(one.topic), one)):
        description = TOPICS[endpoint.topic]
        when = [condition({key for key, one in found.items() if endpoint in one}, found)]
        when += [description.when] if node == "inference_node" else []
        text = ", ".join(filter(None, when))
        lines.append((code(endpoint.topic), code(endpoint.type), text, endpoint.reliability, description.text))
    return lines


def settings() -> list[Setting]:
    """Return all settings that are possible."""
    from lossless_ros.contract import COMMAND_TOPICS, JOINTS, TOOL

    combinations = itertools.product((TOOL, JOINTS), COMMAND_TOPICS, DRY_RUN)
    return [Setting(*values) for values in combinations if values[:2] != (JOINTS, "twist")]


def render() -> str:
    """Return the page.

    Raises:
        ValueError: a topic or service of the code has no description, or one is described that does not exist.
    """
    with ros():
        inference = {setting: inference_endpoints(setting) for setting in settings()}
        simulated = {setting: simulated_endpoints(setting) for setting in settings()}
        offered = services()
    described = {endpoint.topic for found in (inference, simulated) for one in found.values() for endpoint in one}
    if set(TOPICS) != described or set(SERVICES) != {name for name, _ in offered}:
        differing = set(TOPICS) ^ described | set(SERVICES) ^ {name for name, _ in offered}
        raise ValueError(f"code and scripts/docs/topic_descriptions.py differ in {', '.join(sorted(differing))}")
    head = ("topic", "type", "when", "reliability", "meaning")
    service_rows = [(code(name), code(kind), SERVICES[name]) for name, kind in offered]
    return "\n\n".join(
        [
            INTRO,
            INFERENCE,
            "### Subscribed",
            table(head, rows(inference, "inference_node", "in")),
            "### Published",
            table(head, rows(inference, "inference_node", "out")),
            "### Services",
            table(("service", "type", "effect"), service_rows),
            SIMULATED,
            "### Published by the simulated robot",
            table(head, rows(simulated, "sim_robot_node", "out")),
            "### Subscribed by the simulated robot",
            table(head, rows(simulated, "sim_robot_node", "in")),
        ]
    )

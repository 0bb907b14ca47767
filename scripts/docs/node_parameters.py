"""The page of node parameters, from the tables of the four nodes."""

from typing import Any

from lossless_ros.nodes import collection_node, replay_node, sim_robot_node
from lossless_ros.nodes.app.parameters import ANY_TIME, AT_START, WHILE_UNCONFIGURED, NodeParameter
from lossless_ros.nodes.inference.parameters import PARAMETERS
from scripts.docs.markdown import code, table, yaml_value

NODES = {
    "inference_node": PARAMETERS,
    "sim_robot_node": sim_robot_node.PARAMETERS,
    "collection_node": collection_node.PARAMETERS,
    "replay_node": replay_node.PARAMETERS,
}
CHANGES = {AT_START: "at start", WHILE_UNCONFIGURED: "while unconfigured", ANY_TIME: "at any time"}
TYPES = {bool: "bool", int: "integer", float: "double", str: "string"}
INTRO = """# Node parameters

Give a parameter with `--ros-args -p NAME:=VALUE` or in a ROS parameter file. Most are also arguments of the [launch
files](launch-files.md). A [robot file](robot-file.md) sets other defaults for the inference node. An unknown name, a
value of the wrong type and a value out of range are errors that end the node before anything is loaded. Every node
also has ROS's own parameters, such as `use_sim_time`.

The column "set" says when a value is accepted: at the start of the node only, while the inference node is
unconfigured, or at any time."""


def type_name(value: Any) -> str:
    """Return the ROS name of the type of a default value."""
    return f"{TYPES[type(value[0])]}[]" if isinstance(value, list) else TYPES[type(value)]


def row(parameter: NodeParameter) -> tuple[str, ...]:
    """Return the cells of a parameter."""
    allowed = parameter.constraints.removesuffix(parameter.changes).removesuffix("; ")
    return (
        code(parameter.name),
        type_name(parameter.default),
        "required" if parameter.required else code(yaml_value(parameter.default)),
        parameter.unit,
        allowed,
        CHANGES[parameter.changes],
        parameter.description,
    )


def render() -> str:
    """Return the page."""
    head = ("name", "type", "default", "unit", "allowed", "set", "description")
    parts = [INTRO]
    for node, parameters in NODES.items():
        parts += [f"## {node}", table(head, map(row, parameters))]
    return "\n\n".join(parts)

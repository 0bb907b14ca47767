"""Tables of node parameters: declared with descriptions and ranges, overridden by the robot's file, never unknown."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node

from lossless_ros.contract import HARDWARE, robot_file
from lossless_ros.errors import LosslessError

AT_START = "read once, when the node starts"
WHILE_UNCONFIGURED = "can be changed while the node is unconfigured"
ANY_TIME = "can be changed at any time"
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class NodeParameter:
    """A parameter of a node, as a row of a table that needs no running ROS. Its default determines its type."""

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    unit: str = ""
    range: tuple[float, float] | None = None  # lowest and highest value, both allowed; math.inf for none
    constraint: str = ""  # of values, in words, where choices and range do not say it
    changes: str = AT_START  # when a new value is accepted: AT_START, WHILE_UNCONFIGURED or ANY_TIME
    required: bool = False  # whether the empty default has to be replaced

    @property
    def constraints(self) -> str:
        """Return all constraints in one line."""
        choices = f"one of: {', '.join(self.choices)}" if self.choices else ""
        bounds = _range_text(self.range) if self.range else ""
        return "; ".join(filter(None, [choices, bounds, self.constraint, self.changes]))

    @property
    def summary(self) -> str:
        """Return description, unit and choices in one line, for help texts."""
        unit = f" [{self.unit}]" if self.unit else ""
        choices = f" ({', '.join(self.choices)})" if self.choices else ""
        return f"{self.description.rstrip('.')}{unit}{choices}"

    def descriptor(self) -> ParameterDescriptor:
        """Return the ROS descriptor."""
        unit = f" [{self.unit}]" if self.unit else ""
        descriptor = ParameterDescriptor(
            description=f"{self.description}{unit}", additional_constraints=self.constraints
        )
        if self.range and isinstance(self.default, float):
            bounds = FloatingPointRange(from_value=float(self.range[0]), to_value=float(self.range[1]))
            descriptor.floating_point_range = [bounds]
        elif self.range:
            low, high = (int(bound) if math.isfinite(bound) else _INT64_MAX for bound in self.range)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
        return descriptor


def print_help(name: str, about: str, table: tuple[NodeParameter, ...], args: list[str] | None) -> bool:
    """Print an executable's use and parameters if its arguments ask for help; return whether they do."""
    if not {"-h", "--help"} & set(sys.argv[1:] if args is None else args):
        return False
    print(f"usage: {name} --ros-args [-p PARAMETER:=VALUE] ... [--params-file FILE]\n\n{about}\n\nparameters:")
    for parameter in table:
        default = "required" if parameter.required else f"default: {_launch_text(parameter.default) or 'empty'}"
        unit = f" [{parameter.unit}]" if parameter.unit else ""
        print(f"  {parameter.name}: {parameter.description}{unit}")
        print(f"      {default}; {parameter.constraints}")
    return True


def declare_robot(node: Node, parameter: NodeParameter) -> dict[str, Any]:
    """Declare the parameter that names the robot; return the defaults of other parameters from the robot's file.

    Raises:
        LosslessError: no such robot.
    """
    _declare(node, parameter, parameter.default)
    return robot_defaults(node.get_parameter(parameter.name).value)


def declare(node: Node, table: tuple[NodeParameter, ...], defaults: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Declare the parameters of a table; `defaults` take precedence over the table's own.

    Raises:
        LosslessError: a default or an override is not a parameter of this node, a default has the wrong type, or a
            value is out of range.
    """
    values = typed_values(table, defaults)
    for parameter in table:
        if not node.has_parameter(parameter.name):
            _declare(node, parameter, values[parameter.name])
    declared = set(node.get_parameters_by_prefix(""))
    for name in node._parameter_overrides:
        if name not in declared and name.split(".")[0] not in (HARDWARE, "qos_overrides"):
            raise LosslessError(f"unknown parameter '{name}'; known: {', '.join(sorted(values))}")


def typed_values(table: tuple[NodeParameter, ...], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every parameter of a table, with its type: that of `defaults`, else the table's own.

    Raises:
        LosslessError: a default is not in the table, or has the wrong type.
    """
    known = {parameter.name for parameter in table}
    for name in defaults:
        if name not in known:
            raise LosslessError(f"unknown parameter '{name}' in the robot's file; known: {', '.join(sorted(known))}")
    return {p.name: _typed(p, defaults.get(p.name, p.default)) for p in table}


def read(node: Node, table: tuple[NodeParameter, ...]) -> dict[str, Any]:
    """Return the values of the table's parameters by name.

    Raises:
        LosslessError: a value is not among its choices.
    """
    values = {parameter.name: node.get_parameter(parameter.name).value for parameter in table}
    for parameter in table:
        if parameter.choices and values[parameter.name] not in parameter.choices:
            raise LosslessError(
                f"parameter {parameter.name} is '{values[parameter.name]}', expected {' or '.join(parameter.choices)}"
            )
    return values


def require(node: Node, table: tuple[NodeParameter, ...]) -> None:
    """Check that every required parameter of the table is given.

    Raises:
        LosslessError: one is empty.
    """
    for parameter in table:
        if parameter.required and not node.get_parameter(parameter.name).value:
            raise LosslessError(
                f"parameter {parameter.name} is empty; set it: -p {parameter.name}:=PATH ({parameter.summary})"
            )


def robot_defaults(robot: str) -> dict[str, Any]:
    """Return the parameters in a robot's file, flat (`safety.workspace`), without its hardware part.

    Raises:
        LosslessError: no such robot, or not a ROS parameter file.
    """
    return _flat({key: value for key, value in robot_file(robot).items() if key != HARDWARE})


def launch_arguments(
    table: tuple[NodeParameter, ...], defaults: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, tuple[str | None, str]]:
    """Return the launch arguments of a table: name -> (default as text or None if required, description).

    `defaults` are those of the launch file where they differ from the node's on purpose.
    """
    texts = {p.name: _launch_text(defaults.get(p.name, p.default)) for p in table}
    return {p.name: (None if p.required else texts[p.name], p.summary) for p in table}


def optional_launch_arguments(table: tuple[NodeParameter, ...]) -> dict[str, tuple[str, str]]:
    """Return launch arguments that are set only if given: name -> (empty default, description)."""
    descriptions = {}
    for parameter in table:
        default = f", else {_launch_text(parameter.default)}" if parameter.default != "" else ""
        descriptions[parameter.name] = ("", f"{parameter.summary}; default: as in the robot's file{default}")
    return descriptions


def _declare(node: Node, parameter: NodeParameter, value: Any) -> None:
    try:
        node.declare_parameter(parameter.name, value, parameter.descriptor())
    except InvalidParameterValueException:
        if parameter.range is None:
            raise
        override = node._parameter_overrides.get(parameter.name)
        refused = override.value if override else value
        raise LosslessError(
            f"parameter {parameter.name} is {refused}, expected {_range_text(parameter.range)}"
        ) from None


def _typed(parameter: NodeParameter, value: Any) -> Any:
    """Return the value with the type of the parameter's default: YAML reads 1 as an int, not as a float."""
    default = parameter.default
    is_list = isinstance(default, list)
    kind = type(default[0] if is_list else default)
    values = value if is_list and isinstance(value, list) else [value]
    if kind is float:
        values = [float(item) if type(item) is int else item for item in values]
    if isinstance(value, list) != is_list or not values or any(type(item) is not kind for item in values):
        expected = f"a list of {kind.__name__}" if is_list else kind.__name__
        raise LosslessError(f"parameter {parameter.name} in the robot's file is {value!r}, expected {expected}")
    return values if is_list else values[0]


def _range_text(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"


def _launch_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat

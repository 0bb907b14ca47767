"""ROS parameters with descriptions; the robot's file gives their defaults, unknown ones are errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from lossless_ros.contract import HARDWARE, robot_file
from lossless_ros.errors import LosslessError


@dataclass(frozen=True)
class Parameter:
    """A parameter of a node: its default says its type."""

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()


def declare_robot(node: Node, parameter: Parameter) -> dict[str, Any]:
    """Declare the parameter that names the robot; returns the defaults that the robot's file has for the others.

    Raises:
        LosslessError: no such robot.
    """
    _declare(node, parameter, parameter.default)
    return robot_defaults(node.get_parameter(parameter.name).value)


def declare(node: Node, table: tuple[Parameter, ...], defaults: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Declare the parameters of a table; `defaults` go before the table's own.

    Raises:
        LosslessError: a default or an override is no parameter of this node, or a default is of another type.
    """
    known = {parameter.name for parameter in table}
    for name in defaults:
        if name not in known:
            raise LosslessError(f"unknown parameter '{name}' in the robot's file; known: {', '.join(sorted(known))}")
    for parameter in table:
        if not node.has_parameter(parameter.name):
            _declare(node, parameter, _typed(parameter, defaults.get(parameter.name, parameter.default)))
    declared = set(node.get_parameters_by_prefix(""))
    for name in node._parameter_overrides:
        if name not in declared and name.split(".")[0] not in (HARDWARE, "qos_overrides"):
            raise LosslessError(f"unknown parameter '{name}'; known: {', '.join(sorted(known))}")


def read(node: Node, table: tuple[Parameter, ...]) -> dict[str, Any]:
    """Values of the table's parameters by name.

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


def robot_defaults(robot: str) -> dict[str, Any]:
    """Parameters in a robot's file, flat (`safety.workspace`), without its hardware part.

    Raises:
        LosslessError: no such robot, or no parameter file.
    """
    return _flat({key: value for key, value in robot_file(robot).items() if key != HARDWARE})


def _typed(parameter: Parameter, value: Any) -> Any:
    """The value with the type of the parameter's own default: in YAML a whole number is no float."""
    default = parameter.default
    many = isinstance(default, list)
    kind = type(default[0] if many else default)
    values = value if many and isinstance(value, list) else [value]
    if kind is float:
        values = [float(one) if type(one) is int else one for one in values]
    if isinstance(value, list) != many or not values or any(type(one) is not kind for one in values):
        expected = f"a list of {kind.__name__}" if many else kind.__name__
        raise LosslessError(f"parameter {parameter.name} in the robot's file is {value!r}, expected {expected}")
    return values if many else values[0]


def _declare(node: Node, parameter: Parameter, value: Any) -> None:
    constraint = f"one of: {', '.join(parameter.choices)}" if parameter.choices else ""
    descriptor = ParameterDescriptor(description=parameter.description, additional_constraints=constraint)
    node.declare_parameter(parameter.name, value, descriptor)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat

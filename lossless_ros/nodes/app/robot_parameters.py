"""Parameters whose defaults are in the file of the robot that another parameter names."""

from collections.abc import Iterable

from rclpy.node import Node
from rclpy.parameter import Parameter

from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.parameters import NodeParameter, declare, declare_robot, robot_defaults, typed_values


class RobotParameters:
    """Declares a node's parameters, and lets those that the user has not set follow the robot's file.

    Args:
        robot: the parameter that names the robot.
        table: all parameters of the node.

    Raises:
        LosslessError: no such robot, or a value in its file or of the user is wrong.
    """

    def __init__(self, node: Node, robot: NodeParameter, table: tuple[NodeParameter, ...]) -> None:
        self._node, self._robot, self._table = node, robot, table
        self._following = False
        declare(node, table, declare_robot(node, robot))
        self._kept = {robot.name, *node._parameter_overrides}

    def keep(self, names: Iterable[str]) -> None:
        """Keep the values of these parameters from now on: the user sets them."""
        if not self._following:
            self._kept.update(names)

    def follow(self) -> None:
        """Set every parameter that the user has not set to what the robot's file says now, else to its default.

        Raises:
            LosslessError: no such robot, or a value in its file is wrong.
        """
        values = typed_values(self._table, robot_defaults(self._node.get_parameter(self._robot.name).value))
        changed = [
            Parameter(name, value=value)
            for name, value in values.items()
            if name not in self._kept and self._node.get_parameter(name).value != value
        ]
        self._following = True
        try:
            results = self._node.set_parameters(changed)
        finally:
            self._following = False
        for parameter, result in zip(changed, results, strict=True):
            if not result.successful:
                raise LosslessError(f"parameter {parameter.name} in the robot's file: {result.reason}")

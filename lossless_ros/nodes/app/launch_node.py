"""The node that a launch file is about. For launch files only: ROS 2's launch is not on PyPI."""

from typing import Any

from launch.actions import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

_SIGTERM_S = 2  # after Ctrl-C, of which a node has ended by then, see `END_S` of the process


def main_node(executable: str, ended: str, **options: Any) -> Node:
    """Return a node of this package whose end is the end of the launch.

    Args:
        ended: reason of the launch's end, for its log.
        options: of launch_ros' Node, for example `parameters`.
    """

    def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        return None if context.is_shutdown else Shutdown(reason=ended)  # a second shutdown is an error

    return Node(
        package="lossless_ros",
        executable=executable,
        name=executable,
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="both",
        on_exit=end,
        sigterm_timeout=str(_SIGTERM_S),
        **options,
    )

"""Collect an expert's episodes in simulation, recorded as rosbag2 folders.

ros2 launch lossless_ros sim_collection.launch.py out:=runs/episodes episodes:=30
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lossless_ros.nodes.app.parameters import launch_arguments
from lossless_ros.nodes.collection_node import PARAMETERS

ARGUMENTS = launch_arguments(PARAMETERS, {"episodes": 30})  # enough for a first training run


def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End the launch with the node, unless it is already shutting down: a second shutdown is an error."""
    return None if context.is_shutdown else Shutdown(reason="the collection has ended")


def generate_launch_description() -> LaunchDescription:
    parameters = {
        parameter.name: ParameterValue(LaunchConfiguration(parameter.name), value_type=type(parameter.default))
        for parameter in PARAMETERS
    }
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=text) for n, (d, text) in ARGUMENTS.items()),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
            Node(
                package="lossless_ros",
                executable="collection_node",
                name="collection_node",
                parameters=[parameters],
                ros_arguments=["--log-level", LaunchConfiguration("log_level")],
                output="both",
                on_exit=end,
                sigterm_timeout="1",
                sigkill_timeout="2",
            ),
        ]
    )

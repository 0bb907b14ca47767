"""Collect an expert's episodes in simulation, recorded as rosbag2 folders.

ros2 launch lossless_ros sim_collection.launch.py out:=runs/episodes episodes:=30
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from lossless_ros.nodes.app.launch_node import main_node
from lossless_ros.nodes.app.parameters import launch_arguments
from lossless_ros.nodes.collection_node import PARAMETERS

ARGUMENTS = launch_arguments(PARAMETERS, {"episodes": 30})  # enough for a first training run


def generate_launch_description() -> LaunchDescription:
    parameters = {
        parameter.name: ParameterValue(LaunchConfiguration(parameter.name), value_type=type(parameter.default))
        for parameter in PARAMETERS
    }
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=text) for n, (d, text) in ARGUMENTS.items()),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
            main_node("collection_node", "the collection has ended", parameters=[parameters], sigkill_timeout="1"),
        ]
    )

"""Replay recorded episodes through a policy: action error per axis, gripper agreement, latency.

ros2 launch lossless_ros replay_evaluation.launch.py bundle:=stacking.safetensors bag:=runs/episodes result:=replay.json
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from lossless_ros.nodes.app.launch_node import main_node
from lossless_ros.nodes.app.parameters import launch_arguments
from lossless_ros.nodes.replay_node import PARAMETERS

ARGUMENTS = launch_arguments(PARAMETERS)


def generate_launch_description() -> LaunchDescription:
    parameters = {name: ParameterValue(LaunchConfiguration(name), value_type=str) for name in ARGUMENTS}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=text) for n, (d, text) in ARGUMENTS.items()),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
            main_node("replay_node", "the replay has ended", parameters=[parameters], sigkill_timeout="1"),
        ]
    )

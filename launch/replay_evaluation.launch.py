"""Replay recorded episodes through a policy: action error per axis, gripper agreement, latency.

ros2 launch lossless_ros replay_evaluation.launch.py bundle:=stacking.safetensors bag:=runs/episodes result:=replay.json
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lossless_ros.nodes.app.parameters import launch_arguments
from lossless_ros.nodes.replay_node import PARAMETERS

ARGUMENTS = launch_arguments(PARAMETERS)


def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """End the launch with the node, unless it is already shutting down: a second shutdown is an error."""
    return None if context.is_shutdown else Shutdown(reason="the replay has ended")


def generate_launch_description() -> LaunchDescription:
    parameters = {name: ParameterValue(LaunchConfiguration(name), value_type=str) for name in ARGUMENTS}
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=text) for n, (d, text) in ARGUMENTS.items()),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
            Node(
                package="lossless_ros",
                executable="replay_node",
                name="replay_node",
                parameters=[parameters],
                ros_arguments=["--log-level", LaunchConfiguration("log_level")],
                output="both",
                on_exit=end,
                sigterm_timeout="1",
                sigkill_timeout="2",
            ),
        ]
    )

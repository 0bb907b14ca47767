"""A policy against recorded runs: action error per axis, gripper agreement, latency.

ros2 launch lossless_ros replay_evaluation.launch.py bundle:=stacking.safetensors bag:=runs/episodes result:=replay.json
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

ARGUMENTS = {  # name: (default or None, description)
    "bundle": (None, "bundle (.safetensors)"),
    "bag": (None, "rosbag2 folder, or a folder of them"),
    "robot": ("sim", "robot that recorded it: name of config/robots or path"),
    "device": ("auto", "auto, cpu or cuda"),
    "runtime": ("torch", "what runs the policy: auto, torch, openvino, onnxruntime, cuda_graph or tensorrt"),
    "result": ("", "JSON file for the result"),
}


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
                on_exit=Shutdown(reason="the replay has ended"),
            ),
        ]
    )

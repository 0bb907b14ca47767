"""Episodes of an expert in simulation, recorded as rosbag2 folders.

ros2 launch lossless_ros sim_collection.launch.py out:=runs/episodes episodes:=30
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from lossless_ros.simulation.expert_names import EXPERTS

ARGUMENTS = {  # name: (type, default or None, description)
    "task": (str, "rgb_stacking/triplet1", "suite/name"),
    "out": (str, None, "folder for the episodes"),
    "episodes": (int, "30", "number of episodes"),
    "seed": (int, "0", "first episode's seed"),
    "domain": (str, "randomized", "name of config/domains or path"),
    "expert": (str, "scripted", EXPERTS),
    "expert_noise": (float, "0.0", "noise on what the expert's arm does, 0 to 1 of the action limits"),
    "contract": (str, "rgb_stacking", "name of config/contracts or path"),
    "max_steps": (int, "400", "longest episode, in control periods"),
    "workers": (int, "1", "number of processes"),
}


def generate_launch_description() -> LaunchDescription:
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, (kind, _, _) in ARGUMENTS.items()
    }
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(n, default_value=d, description=t) for n, (_, d, t) in ARGUMENTS.items()),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
            Node(
                package="lossless_ros",
                executable="collection_node",
                name="collection_node",
                parameters=[parameters],
                ros_arguments=["--log-level", LaunchConfiguration("log_level")],
                output="both",
                on_exit=Shutdown(reason="the collection has ended"),
            ),
        ]
    )

"""A policy on the simulated robot: the same inference node as on a real one, with the simulator in the arm's place.

    ros2 launch lossless_ros sim_stacking.launch.py bundle:=stacking.safetensors episodes:=5

Ends after the last episode.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {  # name: (default, description); real_stacking has the rest
    "task": ("rgb_stacking/triplet1", "what is simulated, and the policy's active task"),
    "domain": ("randomized", "name of config/domains or path"),
    "seed": ("0", "first episode's seed"),
    "episodes": ("10", "number of episodes"),
    "real_time_factor": ("1.0", "speed of the simulation against the wall clock"),
    "robot": ("sim", "name of config/robots or path of a robot's parameter file"),
    "dry_run": ("false", "true: commands go to ~/would_send only"),
    "use_sim_time": ("true", "take the time from /clock"),
}
TYPES = {"task": str, "domain": str, "seed": int, "episodes": int, "real_time_factor": float}


def generate_launch_description() -> LaunchDescription:
    simulator = Node(
        package="lossless_ros",
        executable="sim_robot_node",
        name="sim_robot_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{n: ParameterValue(LaunchConfiguration(n), value_type=t) for n, t in TYPES.items()}],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="both",
        on_exit=Shutdown(reason="the simulated robot has ended"),
    )
    policy = PathJoinSubstitution([FindPackageShare("lossless_ros"), "launch", "real_stacking.launch.py"])
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            IncludeLaunchDescription(policy),
            simulator,
        ]
    )

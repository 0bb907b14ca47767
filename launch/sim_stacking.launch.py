"""A policy on the simulated robot: the same inference node as on a real one, with the simulator in the arm's place.

    ros2 launch lossless_ros sim_stacking.launch.py bundle:=stacking.safetensors episodes:=5

Ends after the last episode.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = {  # name: (default or None, description); real_stacking has the rest
    "bundle": (None, "bundle (.safetensors) or folder of bundles"),
    "task": ("rgb_stacking/triplet1", "what is simulated, and the policy's active task"),
    "domain": ("randomized", "name of config/domains or path"),
    "seed": ("0", "first episode's seed"),
    "episodes": ("10", "number of episodes"),
    "mode": ("real_time", "real_time, or lock_step: each step waits for its command"),
    "result": ("", "JSON file for the score"),
    "command": ("twist", "twist, joint_velocity or joint_trajectory, for both nodes"),
    "robot": ("sim", "name of config/robots or path of a robot's parameter file"),
    "dry_run": ("false", "true: commands go to ~/would_send only"),
    "contract": ("rgb_stacking", "name of config/contracts or path, for both nodes"),
}
WORDS, NUMBERS = (
    ("task", "domain", "contract", "command", "mode", "result"),
    ("seed", "episodes"),
)  # the simulator's parameters
SIMULATOR = {**dict.fromkeys(WORDS, str), **dict.fromkeys(NUMBERS, int)}


def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Launch ends with the simulator; a second shutdown during the first would be an error."""
    return None if context.is_shutdown else Shutdown(reason="the simulated robot has ended")


def generate_launch_description() -> LaunchDescription:
    simulator = Node(
        package="lossless_ros",
        executable="sim_robot_node",
        name="sim_robot_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{n: ParameterValue(LaunchConfiguration(n), value_type=t) for n, t in SIMULATOR.items()}],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="both",
        on_exit=end,
    )
    given = [("bundle", LaunchConfiguration("bundle")), ("use_sim_time", "true")]
    policy = PathJoinSubstitution([FindPackageShare("lossless_ros"), "launch", "real_stacking.launch.py"])
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            IncludeLaunchDescription(policy, launch_arguments=given),
            simulator,
        ]
    )

"""Run a policy on a real robot: start the inference node with the robot's parameter file, configured and activated.

    ros2 launch lossless_ros real_stacking.launch.py
    ros2 launch lossless_ros real_stacking.launch.py robot:=ur5e bundle:=stacking.safetensors

Without arguments a shipped bundle runs on Sawyer's topics, and the log names those that it waits for. Commands go to
~/would_send until dry_run:=false is given. Parameters that are not given keep the value of the robot's file. The
robot's drivers and MoveIt Servo are started separately; drivers:=FILE starts a launch file of the cameras' drivers with
the DDS settings that images need.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from lossless_ros import defaults
from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.launch_node import main_node
from lossless_ros.nodes.app.parameters import optional_launch_arguments
from lossless_ros.nodes.inference.parameters import BUNDLES, PARAMETERS, ROBOT
from lossless_ros.paths import find_config

FIXED = ("robot", "bundles", "dry_run", "autostart")  # parameters that this file always sets
OPTIONAL = tuple(p for p in PARAMETERS if p.name not in FIXED and not p.name.startswith("safety."))
TYPES = {parameter.name: type(parameter.default) for parameter in OPTIONAL}  # set only if given
ARGUMENTS = {  # name: (default or None, description)
    "bundle": (defaults.BUNDLE, BUNDLES.summary),
    "robot": ("sawyer", ROBOT.summary),
    "params_file": ("", "More parameters (YAML); they take precedence over the robot's file"),
    "drivers": ("", "Launch file of the cameras' drivers, started with the DDS settings that images need"),
    **optional_launch_arguments(OPTIONAL),
    "dry_run": ("true", "true: publish commands on ~/would_send only; false: move the robot"),
    "use_sim_time": ("false", "Take the time from /clock"),
    "namespace": ("", "Namespace of the node and its topics"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def typed(name: str, kind: type) -> ParameterValue:
    """Return a launch argument as a parameter of that type."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def inference(context: LaunchContext) -> list:
    """Return the node, which configures and activates itself: events of launch_ros fail in an interrupted launch."""
    arguments = context.launch_configurations
    find_config("robots", arguments["robot"])  # report an unknown robot before anything starts
    node = main_node(
        "inference_node",
        "the inference node has ended",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            *filter(None, [arguments["params_file"]]),
            {
                "bundles": typed("bundle", str),
                "autostart": True,
                "dry_run": typed("dry_run", bool),
                "use_sim_time": typed("use_sim_time", bool),
                "robot": typed("robot", str),
                **{name: typed(name, kind) for name, kind in TYPES.items() if arguments[name]},
            },
        ],
    )
    return [node]


def drivers(context: LaunchContext) -> list:
    """Return the launch file of the drivers, if one is given."""
    file = context.launch_configurations["drivers"]
    if file and not Path(file).is_file():
        raise LosslessError(f"no such launch file: {file} (drivers)")
    return [IncludeLaunchDescription(file)] if file else []


def generate_launch_description() -> LaunchDescription:
    profile = PathJoinSubstitution([FindPackageShare("lossless_ros"), "config", "dds", "fastdds.xml"])
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            *(
                SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=profile))
                for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
            ),
            OpaqueFunction(function=drivers),
            OpaqueFunction(function=inference),
        ]
    )

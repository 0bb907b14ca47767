"""Run a policy on the simulated robot: the inference node as on a real robot, with the simulator in place of the arm.

    ros2 launch lossless_ros sim_stacking.launch.py
    ros2 launch lossless_ros sim_stacking.launch.py bundle:=stacking.safetensors episodes:=5

Without arguments a shipped bundle stacks. The simulator waits for every command, so that a slow machine changes nothing
but the speed; with mode:=real_time it does not wait. The launch ends after the last episode.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from lossless_ros import defaults
from lossless_ros.nodes.app.launch_node import main_node
from lossless_ros.nodes.app.parameters import launch_arguments
from lossless_ros.nodes.inference.parameters import BUNDLES, ROBOT
from lossless_ros.nodes.sim_robot_node import PARAMETERS

SIMULATED = ("task", "domain", "contract", "seed", "episodes", "mode", "command", "result")  # arguments it takes
TABLE = tuple(parameter for parameter in PARAMETERS if parameter.name in SIMULATED)
SIMULATOR = {parameter.name: type(parameter.default) for parameter in TABLE}
ARGUMENTS = {  # name: (default or None, description); real_stacking declares the rest, and takes some of these too
    "bundle": (defaults.BUNDLE, BUNDLES.summary),
    **launch_arguments(TABLE, {"domain": "randomized", "episodes": 10, "mode": "lock_step"}),
    "robot": ("sim", ROBOT.summary),
    "dry_run": (
        "false",
        "true: publish commands on ~/would_send only, in real time; the simulated arm stands still in the first scene",
    ),
}


def explain_dry_run(context: LaunchContext) -> list:
    """Run in real time in a dry run, in which no command would end a step, and say what it shows."""
    arguments = context.launch_configurations
    if arguments["dry_run"].lower() not in ("true", "1"):
        return []
    arguments["mode"] = "real_time"
    return [
        LogInfo(
            msg="dry run: the policy sees the first scene. Its commands are on /inference_node/would_send, its state "
            "on /diagnostics; the arm stands still and nothing is scored. dry_run:=false lets it move"
        )
    ]


def generate_launch_description() -> LaunchDescription:
    simulator = main_node(
        "sim_robot_node",
        "the simulated robot has ended",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {n: ParameterValue(LaunchConfiguration(n), value_type=t) for n, t in SIMULATOR.items()},
            {"bundles": ParameterValue(LaunchConfiguration("bundle"), value_type=str)},
        ],
        sigkill_timeout="1",
    )
    given = [("bundle", LaunchConfiguration("bundle")), ("use_sim_time", "true")]
    policy = PathJoinSubstitution([FindPackageShare("lossless_ros"), "launch", "real_stacking.launch.py"])
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            OpaqueFunction(function=explain_dry_run),
            IncludeLaunchDescription(policy, launch_arguments=given),
            simulator,
        ]
    )

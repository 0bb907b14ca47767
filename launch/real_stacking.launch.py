"""A policy on a real robot: the inference node with the robot's parameter file, brought to active.

    ros2 launch lossless_ros real_stacking.launch.py robot:=sawyer bundle:=stacking.safetensors

Commands go to ~/would_send until one says dry_run:=false. The robot's drivers and MoveIt Servo are started elsewhere.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.events import matches_action
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from lossless_ros.paths import find_config

ARGUMENTS = {  # name: (default or None, description)
    "bundle": (None, "bundle (.safetensors) or folder of bundles"),
    "task": ("", "active task at the start; default: the only one"),
    "robot": ("sawyer", "name of config/robots or path of a robot's parameter file"),
    "params_file": ("", "more parameters, read after the robot's"),
    "contract": ("", "name of config/contracts or path; default: the bundle's own"),
    "device": ("auto", "auto, cpu or cuda"),
    "runtime": ("auto", "what runs the policy: auto, torch, openvino, onnxruntime, cuda_graph or tensorrt"),
    "command": ("", "twist, joint_velocity or joint_trajectory; default: what the robot's file says, or twist"),
    "dry_run": ("true", "true: commands go to ~/would_send only"),
    "use_sim_time": ("false", "take the time from /clock"),
    "namespace": ("", "namespace of the node and its topics"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def typed(name: str, kind: type) -> ParameterValue:
    """A launch argument as a parameter of that type."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Launch ends with the node; a second shutdown during the first would be an error."""
    return None if context.is_shutdown else Shutdown(reason="the inference node has ended")


def inference(context: LaunchContext) -> list:
    """The node, and the events that configure and then activate it."""
    arguments = context.launch_configurations
    files = [str(find_config("robots", arguments["robot"])), arguments["params_file"]]
    command = {"command": typed("command", str)} if arguments["command"] else {}
    node = LifecycleNode(
        package="lossless_ros",
        executable="inference_node",
        name="inference_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            *filter(None, files),
            {
                "bundles": typed("bundle", str),
                "autostart": False,
                "dry_run": typed("dry_run", bool),
                "use_sim_time": typed("use_sim_time", bool),
                **{name: typed(name, str) for name in ("task", "robot", "contract", "device", "runtime")},
                **command,
            },
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="both",
        on_exit=end,
    )

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    def after_configuring(state: str, action: EmitEvent | Shutdown) -> RegisterEventHandler:
        handler = OnStateTransition(
            target_lifecycle_node=node, start_state="configuring", goal_state=state, entities=[action]
        )
        return RegisterEventHandler(handler)

    return [
        after_configuring("inactive", change(Transition.TRANSITION_ACTIVATE)),
        after_configuring("unconfigured", Shutdown(reason="the inference node could not be configured")),
        node,
        change(Transition.TRANSITION_CONFIGURE),
    ]


def generate_launch_description() -> LaunchDescription:
    profile = PathJoinSubstitution([FindPackageShare("lossless_ros"), "config", "dds", "fastdds.xml"])
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            *(
                SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=profile))
                for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
            ),
            OpaqueFunction(function=inference),
        ]
    )

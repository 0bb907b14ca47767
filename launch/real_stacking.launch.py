"""A policy on a real robot: the inference node with the robot's parameter file, brought to active.

    ros2 launch lossless_ros real_stacking.launch.py robot:=sawyer bundle:=stacking.safetensors

Commands go to ~/would_send until one says dry_run:=false. What is not given is as the robot's file says. The robot's
drivers and MoveIt Servo are started elsewhere.
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
    "device": ("", "auto (default), cpu or cuda"),
    "threads": ("", "CPU threads of the policy, 1 by default"),
    "runtime": ("", "what runs the policy: auto (default), torch, openvino, onnxruntime, cuda_graph or tensorrt"),
    "precision": ("", "auto (default), float32 or float16"),
    "command": ("", "twist (default), joint_velocity or joint_trajectory"),
    "image_transport": ("", "auto (default), raw or compressed"),
    "stop_at_switch": ("", "true (default): pass through a stop when the task changes"),
    "resume": ("", "after a stop for a fault: automatic (default), or service: wait for ~/resume"),
    "debug_image": ("", "true: publish what the policy sees on ~/debug/image; false by default"),
    "dry_run": ("true", "true: commands go to ~/would_send only"),
    "use_sim_time": ("false", "take the time from /clock"),
    "namespace": ("", "namespace of the node and its topics"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}

WORDS = ("task", "contract", "device", "runtime", "precision", "command", "image_transport", "resume")
SWITCHES = ("stop_at_switch", "debug_image")
# of arguments that are passed on only if given, so that else the robot's file may say them
TYPES = {**dict.fromkeys(WORDS, str), **dict.fromkeys(SWITCHES, bool), "threads": int}


def typed(name: str, kind: type) -> ParameterValue:
    """A launch argument as a parameter of that type."""
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def end(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Launch ends with the node; a second shutdown during the first would be an error."""
    return None if context.is_shutdown else Shutdown(reason="the inference node has ended")


def inference(context: LaunchContext) -> list:
    """The node, and the events that configure and then activate it."""
    arguments = context.launch_configurations
    find_config("robots", arguments["robot"])  # an unknown robot is a mistake in the launch itself; the node reads it
    node = LifecycleNode(
        package="lossless_ros",
        executable="inference_node",
        name="inference_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            *filter(None, [arguments["params_file"]]),
            {
                "bundles": typed("bundle", str),
                "autostart": False,
                "dry_run": typed("dry_run", bool),
                "use_sim_time": typed("use_sim_time", bool),
                "robot": typed("robot", str),
                **{name: typed(name, kind) for name, kind in TYPES.items() if arguments[name]},
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

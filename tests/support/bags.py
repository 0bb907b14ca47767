"""Bags of a robot's own messages, edited one topic at a time: every kind of recording that is not as expected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import Action, Axis, Camera, Contract, Gripper, Proprioception

TYPES = get_typestore(Stores.ROS2_JAZZY)
SIDE = 16  # of the images [px]
FRAMES = 30
PERIOD_NS = 50_000_000
START_NS = 1_700_000_000_000_000_000
ARM, FINGER = ("shoulder", "elbow", "wrist"), "finger"
TWISTS, GRIPPERS = "/servo_node/delta_twist_cmds", "/gripper_controller/commands"
JOINTS, POSES = "/joint_states", "/tcp_pose"
CAMERAS = ("/front/image_raw", "/wrist/image_raw")
CONTRACT = Contract(
    name="table",
    rate_hz=20.0,
    cameras=(Camera("front", SIDE, SIDE), Camera("wrist", SIDE, SIDE)),
    proprioception=(Proprioception("joint_states", (*ARM, FINGER)), Proprioception("tcp_pose")),
    action=Action(
        frame_id="base_link",
        axes=tuple(Axis(f"linear.{axis}", 0.1) for axis in "xyz") + (Axis("angular.z", 1.0),),
        gripper=Gripper(open=0.0, closed=0.8),
    ),
)


class Event(NamedTuple):
    """A message of a bag."""

    topic: str
    kind: str
    logged: int  # [ns]
    msg: Any


def make(kind: str, *values: Any) -> Any:
    """Return a message of that type with its fields in order."""
    return TYPES.types[kind](*values)


def header(stamp: int, frame_id: str = "") -> Any:
    """Return a header with that stamp [ns]."""
    time = make("builtin_interfaces/msg/Time", stamp // 10**9, stamp % 10**9)
    return make("std_msgs/msg/Header", time, frame_id)


def image(stamp: int, pixels: np.ndarray) -> Any:
    """Return an rgb8 Image."""
    rows, cols = pixels.shape[:2]
    return make(
        "sensor_msgs/msg/Image", header(stamp, "camera"), rows, cols, "rgb8", 0, 3 * cols, pixels.reshape(-1).copy()
    )


def joint_state(stamp: int, positions: dict[str, float]) -> Any:
    """Return a JointState without velocities and efforts."""
    values = np.array(list(positions.values()), np.float64)
    return make("sensor_msgs/msg/JointState", header(stamp), list(positions), values, np.zeros(0), np.zeros(0))


def pose(stamp: int, frame_id: str = "base_link", x: float = 0.5) -> Any:
    """Return a PoseStamped of a gripper that points down."""
    point = make("geometry_msgs/msg/Point", x, 0.0, 0.2)
    orientation = make("geometry_msgs/msg/Quaternion", 1.0, 0.0, 0.0, 0.0)
    return make(
        "geometry_msgs/msg/PoseStamped",
        header(stamp, frame_id),
        make("geometry_msgs/msg/Pose", point, orientation),
    )


def twist(stamp: int, values: tuple[float, ...], frame_id: str = "base_link") -> Any:
    """Return a TwistStamped of the velocities (6,)."""
    parts = (make("geometry_msgs/msg/Vector3", *map(float, values[i : i + 3])) for i in (0, 3))
    return make("geometry_msgs/msg/TwistStamped", header(stamp, frame_id), make("geometry_msgs/msg/Twist", *parts))


def numbers(*values: float) -> Any:
    """Return a Float64MultiArray."""
    layout = make("std_msgs/msg/MultiArrayLayout", [], 0)
    return make("std_msgs/msg/Float64MultiArray", layout, np.array(values, np.float64))


def recording(seed: int = 0, frames: int = FRAMES) -> list[Event]:
    """Return the messages of a good recording: the arm moves, and the gripper closes halfway."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 200, (SIDE, SIDE, 3), np.uint8)
    events: list[Event] = []
    for i in range(frames):
        stamp = START_NS + seed * 10**12 + i * PERIOD_NS
        speed = 0.05 * np.sin(0.3 * i + seed)
        joints = {name: 0.1 * k + 0.01 * i for k, name in enumerate((*ARM, FINGER))}
        events += [Event(c, "sensor_msgs/msg/Image", stamp + 2_000_000, image(stamp, base + i)) for c in CAMERAS]
        events += [
            Event(JOINTS, "sensor_msgs/msg/JointState", stamp + 1_000_000, joint_state(stamp, joints)),
            Event(POSES, "geometry_msgs/msg/PoseStamped", stamp + 1_000_000, pose(stamp, x=0.5 + 0.001 * i)),
            Event(
                TWISTS,
                "geometry_msgs/msg/TwistStamped",
                stamp + 10_000_000,
                twist(stamp + 8_000_000, (speed, -speed, 0.02, 0, 0, 0.3)),
            ),
            Event(
                GRIPPERS,
                "std_msgs/msg/Float64MultiArray",
                stamp + 10_500_000,
                numbers(0.8 if i > frames // 2 else 0.0),
            ),
        ]
    return events


def edited(events: list[Event], topic: str, change: Callable[[int, Event], Any]) -> list[Event]:
    """Return the events with those of a topic changed.

    `change` gets their number on the topic and the event; it returns a message, an event, or None to drop it.
    """
    out: list[Event] = []
    index = 0
    for event in events:
        if event.topic != topic:
            out.append(event)
            continue
        new = change(index, event)
        index += 1
        if new is not None:
            out.append(new if isinstance(new, Event) else event._replace(msg=new))
    return out


def stamp_of(event: Event) -> int:
    """Return the header stamp of an event's message [ns]."""
    return event.msg.header.stamp.sec * 10**9 + event.msg.header.stamp.nanosec


def write_bag(path: Path, events: list[Event], plugin: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Write a rosbag2 folder of the events and return its path."""
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        out: dict[tuple[str, str], Any] = {}
        for event in sorted(events, key=lambda event: event.logged):
            where = event.topic, event.kind
            if where not in out:
                out[where] = writer.add_connection(*where, typestore=TYPES)
            writer.write(out[where], event.logged, TYPES.serialize_cdr(event.msg, event.kind))
    return path

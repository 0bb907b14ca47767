"""Messages of the simulated robot: the same bytes in a bag and on a topic."""

from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import GRIPPER_TOPIC, JOINT_STATES, TCP_POSE, TWIST_TOPIC, Contract, Robot
from lossless_ros.observation.frames import Aligner, Frame
from lossless_ros.observation.messages import decode

TYPES = get_typestore(Stores.ROS2_JAZZY)
JOINT_NAMES = (*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint")

Messages = dict[str, Any]  # by relative topic name


def message_types(contract: Contract) -> dict[str, str]:
    """Return the type of each topic of the contract: observations, then commands."""
    return {
        **{camera.topic: "sensor_msgs/msg/Image" for camera in contract.cameras},
        JOINT_STATES: "sensor_msgs/msg/JointState",
        TCP_POSE: "geometry_msgs/msg/PoseStamped",
        TWIST_TOPIC: "geometry_msgs/msg/TwistStamped",
        GRIPPER_TOPIC: "std_msgs/msg/Float64MultiArray",
    }


def observation_messages(contract: Contract, stamp: int, observation: dict[str, np.ndarray]) -> Messages:
    """Return cameras, joint states and tool pose of one instant (stamp [ns]) from the simulator's observation."""
    frame_id = contract.action.frame_id
    return {
        **{c.topic: _image(stamp, c.name, observation[c.name]) for c in contract.cameras},
        JOINT_STATES: _joint_state(stamp, observation),
        TCP_POSE: _pose(stamp, frame_id, observation["tcp_pose"]),
    }


def action_messages(contract: Contract, stamp: int, action: np.ndarray) -> Messages:
    """Return twist and gripper command [rad] for an action (dim,)."""
    spec = contract.action
    return {
        TWIST_TOPIC: _twist(stamp, spec.frame_id, dict(zip(spec.names, action, strict=True))),
        GRIPPER_TOPIC: _multi_array([spec.gripper.command(float(action[-1]))]),
    }


def serialize(msg: Any) -> bytes:
    """Return the CDR bytes of a message; rclpy's publishers accept them."""
    return bytes(TYPES.serialize_cdr(msg, msg.__msgtype__))


def observation_frame(contract: Contract, stamp: int, observation: dict[str, np.ndarray]) -> Frame:
    """Return the frame that the inference node would build from this observation's messages."""
    messages = observation_messages(contract, stamp, observation)
    aligner = Aligner(contract)
    frames: list[Frame] = []
    for stream in contract.streams:
        sample = decode(contract, Robot(), stream, messages[contract.topic(stream)])
        frames += aligner.push(stream, stamp, sample)
    return frames[0]


def _type(name: str) -> Any:
    return TYPES.types[name]


def _header(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = _type("builtin_interfaces/msg/Time")(seconds, nanoseconds)
    return _type("std_msgs/msg/Header")(time, frame_id)


def _image(stamp: int, camera: str, rgb: np.ndarray) -> Any:
    height, width = rgb.shape[:2]
    data = np.ascontiguousarray(rgb).reshape(-1)
    return _type("sensor_msgs/msg/Image")(_header(stamp, camera), height, width, "rgb8", 0, 3 * width, data)


def _joint_state(stamp: int, observation: dict[str, np.ndarray]) -> Any:
    kinds = ("position", "velocity", "effort")
    values = (np.concatenate([observation[f"joint_{k}"], observation[f"gripper_{k}"]]) for k in kinds)
    return _type("sensor_msgs/msg/JointState")(_header(stamp, ""), list(JOINT_NAMES), *map(np.float64, values))


def _pose(stamp: int, frame_id: str, pose: np.ndarray) -> Any:
    x, y, z, qx, qy, qz, qw = map(float, pose)
    position = _type("geometry_msgs/msg/Point")(x, y, z)
    orientation = _type("geometry_msgs/msg/Quaternion")(qx, qy, qz, qw)
    inner = _type("geometry_msgs/msg/Pose")(position, orientation)
    return _type("geometry_msgs/msg/PoseStamped")(_header(stamp, frame_id), inner)


def _twist(stamp: int, frame_id: str, values: dict[str, float]) -> Any:
    vector = _type("geometry_msgs/msg/Vector3")
    parts = (vector(*(float(values.get(f"{part}.{a}", 0)) for a in "xyz")) for part in ("linear", "angular"))
    inner = _type("geometry_msgs/msg/Twist")(*parts)
    return _type("geometry_msgs/msg/TwistStamped")(_header(stamp, frame_id), inner)


def _multi_array(values: list[float]) -> Any:
    layout = _type("std_msgs/msg/MultiArrayLayout")([], 0)
    return _type("std_msgs/msg/Float64MultiArray")(layout, np.array(values, np.float64))

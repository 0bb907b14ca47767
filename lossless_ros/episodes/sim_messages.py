"""Messages of the simulated robot: the same bytes in a bag and on a topic."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import (
    GRIPPER_TOPIC,
    JOINT_STATES,
    JOINTS,
    TCP_POSE,
    TWIST_TOPIC,
    VELOCITY_TOPIC,
    Camera,
    Contract,
    Robot,
)
from lossless_ros.episodes.image_formats import compress
from lossless_ros.episodes.object_poses import OBJECT_POSES, OBJECTS
from lossless_ros.episodes.sim_state import SIM_STATE
from lossless_ros.observation.frames import Aligner, Frame
from lossless_ros.observation.messages import decode

TYPES = get_typestore(Stores.ROS2_JAZZY)
PRIVILEGED_TYPES = {OBJECT_POSES: "geometry_msgs/msg/PoseArray", SIM_STATE: "std_msgs/msg/Float64MultiArray"}
JOINT_NAMES = (*(f"right_j{i}" for i in range(7)), "robotiq_85_left_knuckle_joint")  # of the cell of RGB-stacking

Messages = dict[str, Any]  # by relative topic name


def message_types(contract: Contract, image_format: str = "raw") -> dict[str, str]:
    """Return the type of each topic of the contract: observations, then commands."""
    kind = "Image" if image_format == "raw" else "CompressedImage"
    return {
        **{image_topic(camera, image_format): f"sensor_msgs/msg/{kind}" for camera in contract.cameras},
        JOINT_STATES: "sensor_msgs/msg/JointState",
        TCP_POSE: "geometry_msgs/msg/PoseStamped",
        **_command_types(contract),
    }


def _command_types(contract: Contract) -> dict[str, str]:
    numbers = "std_msgs/msg/Float64MultiArray"
    is_joints = contract.action.space == JOINTS
    arm = {VELOCITY_TOPIC: numbers} if is_joints else {TWIST_TOPIC: "geometry_msgs/msg/TwistStamped"}
    return {**arm, **({GRIPPER_TOPIC: numbers} if contract.action.gripper else {})}


def observation_messages(
    contract: Contract,
    stamp: int,
    observation: dict[str, np.ndarray],
    image_format: str = "raw",
    joint_names: Sequence[str] = JOINT_NAMES,
) -> Messages:
    """Return cameras, joint states and tool pose of one instant (stamp [ns]) from the simulator's observation.

    `joint_names` are the robot's joints, the gripper's last.
    """
    frame_id = contract.action.frame_id
    return {
        **image_messages(contract, stamp, observation, image_format),
        JOINT_STATES: _joint_state(stamp, observation, joint_names),
        TCP_POSE: _pose_stamped(stamp, frame_id, observation["tcp_pose"]),
    }


def image_messages(
    contract: Contract, stamp: int, images: Mapping[str, np.ndarray], image_format: str = "raw"
) -> Messages:
    """Return the images (H, W, 3) uint8 by camera of one instant (stamp [ns]).

    Compressed images are on the topics of ROS 2's image_transport, `<camera>/image_raw/compressed`.
    """
    return {
        image_topic(camera, image_format): _image(stamp, camera.name, images[camera.name], image_format)
        for camera in contract.cameras
    }


def action_messages(contract: Contract, stamp: int, action: np.ndarray) -> Messages:
    """Return twist or joint velocities, and the gripper command [rad] if there is a gripper, for an action (dim,)."""
    spec = contract.action
    messages: Messages
    if spec.space == JOINTS:
        messages = {VELOCITY_TOPIC: _multi_array(action[: len(spec.axes)])}
    else:
        messages = {TWIST_TOPIC: _twist(stamp, spec.frame_id, dict(zip(spec.names, action, strict=True)))}
    if spec.gripper:
        command = spec.gripper.command_at(spec.gripper_target(float(action[-1])))
        messages[GRIPPER_TOPIC] = _multi_array([command])
    return messages


def privileged_messages(contract: Contract, stamp: int, poses: Mapping[str, np.ndarray], qpos: np.ndarray) -> Messages:
    """Return the objects' true poses (7,) x, y, z [m], qx, qy, qz, qw by color, and MuJoCo's positions (nq,)."""
    header = _header(stamp, contract.action.frame_id)
    return {
        OBJECT_POSES: _type(PRIVILEGED_TYPES[OBJECT_POSES])(header, [_pose(poses[name]) for name in OBJECTS]),
        SIM_STATE: _multi_array(qpos, "qpos"),
    }


def serialize(msg: Any) -> bytes:
    """Return the CDR bytes of a message; rclpy's publishers accept them."""
    return bytes(TYPES.serialize_cdr(msg, msg.__msgtype__))


class ObservationFrames:
    """Builds the frames that the inference node would build from the messages of an episode's observations."""

    def __init__(self, contract: Contract, joint_names: Sequence[str] = JOINT_NAMES) -> None:
        self._contract, self._joint_names = contract, joint_names
        self._aligner = Aligner(contract)

    def __call__(self, stamp: int, observation: dict[str, np.ndarray]) -> Frame:
        """Return the frame of the episode's next observation."""
        messages = observation_messages(self._contract, stamp, observation, joint_names=self._joint_names)
        frames: list[Frame] = []
        for stream in self._contract.streams:
            sample = decode(self._contract, Robot(), stream, messages[self._contract.topic(stream)])
            frames += self._aligner.push(stream, stamp, sample)
        return frames[0]


def _type(name: str) -> Any:
    return TYPES.types[name]


def _header(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 1_000_000_000)
    time = _type("builtin_interfaces/msg/Time")(seconds, nanoseconds)
    return _type("std_msgs/msg/Header")(time, frame_id)


def image_topic(camera: Camera, image_format: str) -> str:
    """Return the topic of a camera's images in that format."""
    return camera.topic if image_format == "raw" else f"{camera.topic}/compressed"


def _image(stamp: int, camera: str, rgb: np.ndarray, image_format: str) -> Any:
    if image_format != "raw":
        pixels = f"rgb8; {image_format} compressed bgr8"  # as image_transport writes it: original; codec, stored
        compressed = _type("sensor_msgs/msg/CompressedImage")
        return compressed(_header(stamp, camera), pixels, compress(rgb, image_format))
    height, width = rgb.shape[:2]
    data = np.ascontiguousarray(rgb).reshape(-1)
    return _type("sensor_msgs/msg/Image")(_header(stamp, camera), height, width, "rgb8", 0, 3 * width, data)


def _joint_state(stamp: int, observation: dict[str, np.ndarray], names: Sequence[str]) -> Any:
    kinds = ("position", "velocity", "effort")
    values = (np.concatenate([observation[f"joint_{k}"], observation[f"gripper_{k}"]]) for k in kinds)
    return _type("sensor_msgs/msg/JointState")(_header(stamp, ""), list(names), *map(np.float64, values))


def _pose_stamped(stamp: int, frame_id: str, pose: np.ndarray) -> Any:
    return _type("geometry_msgs/msg/PoseStamped")(_header(stamp, frame_id), _pose(pose))


def _pose(pose: np.ndarray) -> Any:
    x, y, z, qx, qy, qz, qw = map(float, pose)
    position = _type("geometry_msgs/msg/Point")(x, y, z)
    orientation = _type("geometry_msgs/msg/Quaternion")(qx, qy, qz, qw)
    return _type("geometry_msgs/msg/Pose")(position, orientation)


def _twist(stamp: int, frame_id: str, values: dict[str, float]) -> Any:
    vector = _type("geometry_msgs/msg/Vector3")
    parts = (vector(*(float(values.get(f"{part}.{a}", 0)) for a in "xyz")) for part in ("linear", "angular"))
    inner = _type("geometry_msgs/msg/Twist")(*parts)
    return _type("geometry_msgs/msg/TwistStamped")(_header(stamp, frame_id), inner)


def _multi_array(values: Sequence[float] | np.ndarray, label: str | None = None) -> Any:
    """Return the values as one array; with a `label`, its layout names them."""
    dimension = _type("std_msgs/msg/MultiArrayDimension")
    dimensions = [] if label is None else [dimension(label, len(values), len(values))]
    layout = _type("std_msgs/msg/MultiArrayLayout")(dimensions, 0)
    return _type("std_msgs/msg/Float64MultiArray")(layout, np.array(values, np.float64))

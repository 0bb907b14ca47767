"""Bags with messages that do not deserialize: one line that names the topic."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from lossless_ros.contract import load_contract
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError

TYPES = get_typestore(Stores.ROS2_JAZZY)
TOPICS = {
    "/basket_front_left/image_raw": "sensor_msgs/msg/Image",
    "/basket_front_right/image_raw": "sensor_msgs/msg/Image",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/tcp_pose": "geometry_msgs/msg/PoseStamped",
    "/servo_node/delta_twist_cmds": "geometry_msgs/msg/TwistStamped",
    "/gripper_controller/commands": "std_msgs/msg/Float64MultiArray",
}
GARBAGE = {
    "nothing": b"",
    "no header": b"\x00\x01",
    "cut off": b"\x00\x01\x00\x00" + bytes(3),
    "huge array": b"\x00\x01\x00\x00" + b"\xff" * 64,
    "text that is none": b"\x00\x01\x00\x00" + bytes(8) + b"\x04\x00\x00\x00\xff\xfe\xfd\x00" + bytes(400),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_message_that_cannot_be_read_is_one_line(tmp_path: Path, what: str) -> None:
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, kind in TOPICS.items():
            connection = writer.add_connection(topic, kind, typestore=TYPES)
            if topic == "/joint_states":
                writer.write(connection, 10**9, np.frombuffer(GARBAGE[what], np.uint8))
    with pytest.raises(LosslessError, match="message on /joint_states") as error:
        read_episode(tmp_path / "bag", load_contract("rgb_stacking"))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400

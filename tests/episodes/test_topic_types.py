"""Topics of another type than the contract's: one line with both types."""

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg

from lossless_ros.contract import Robot
from lossless_ros.episodes.reader import read_episode, read_frames
from lossless_ros.errors import LosslessError
from tests.support.bags import (
    CAMERAS,
    CONTRACT,
    GRIPPERS,
    JOINTS,
    POSES,
    TWISTS,
    TYPES,
    Event,
    edited,
    header,
    make,
    recording,
    stamp_of,
    write_bag,
)

GRIPPER_COMMAND = "control_msgs/msg/GripperCommand"  # not among the types that rosbags knows
TYPES.register(get_types_from_msg("float64 position\nfloat64 max_effort\n", GRIPPER_COMMAND))


def of(kind, *fields):
    """Return a change to a message of another type; each field is a value or a function of the event."""
    return lambda i, e: e._replace(kind=kind, msg=make(kind, *(f(e) if callable(f) else f for f in fields)))


def trajectory(i, event):
    empty, point_kind = np.zeros(0), "trajectory_msgs/msg/JointTrajectoryPoint"
    point = make(
        point_kind, np.array(event.msg.data), empty, empty, empty, make("builtin_interfaces/msg/Duration", 0, 0)
    )
    kind = "trajectory_msgs/msg/JointTrajectory"
    return event._replace(kind=kind, msg=make(kind, header(event.logged), ["finger"], [point]))


def joint_trajectory_state(i, event):
    kind = "std_msgs/msg/String"
    return event._replace(kind=kind, msg=make(kind, "state"))


@pytest.mark.parametrize(
    ("topic", "change", "found", "expected"),
    [
        (TWISTS, of("geometry_msgs/msg/Twist", lambda e: e.msg.twist.linear, lambda e: e.msg.twist.angular),
         "geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"),
        (GRIPPERS, of("std_msgs/msg/Float64", lambda e: float(e.msg.data[0])),
         "std_msgs/msg/Float64", "std_msgs/msg/Float64MultiArray"),
        (GRIPPERS, of(GRIPPER_COMMAND, lambda e: float(e.msg.data[0]), 1.0),
         GRIPPER_COMMAND, "std_msgs/msg/Float64MultiArray"),
        (GRIPPERS, trajectory, "trajectory_msgs/msg/JointTrajectory", "std_msgs/msg/Float64MultiArray"),
        (POSES, of("geometry_msgs/msg/Pose", lambda e: e.msg.pose.position, lambda e: e.msg.pose.orientation),
         "geometry_msgs/msg/Pose", "geometry_msgs/msg/PoseStamped"),
        (POSES, of("geometry_msgs/msg/PointStamped", lambda e: e.msg.header, lambda e: e.msg.pose.position),
         "geometry_msgs/msg/PointStamped", "geometry_msgs/msg/PoseStamped"),
        (JOINTS, joint_trajectory_state, "std_msgs/msg/String", "sensor_msgs/msg/JointState"),
        (CAMERAS[1], of("sensor_msgs/msg/CompressedImage", lambda e: e.msg.header, "jpeg", np.zeros(4, np.uint8)),
         "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image"),
        (CAMERAS[0], of("sensor_msgs/msg/PointCloud2", lambda e: e.msg.header, 1, 1, [], False, 1, 1,
                        np.zeros(1, np.uint8), True), "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image"),
    ],
)  # fmt: skip
def test_a_topic_of_another_type_is_named_with_both_types(tmp_path, topic, change, found, expected):
    path = write_bag(tmp_path / "bag", edited(recording(frames=3), topic, change))
    with pytest.raises(LosslessError) as caught:
        read_episode(path, CONTRACT)
    assert str(caught.value) == f"{path}: {topic} is {found}, expected {expected}"


def test_a_topic_of_two_types_is_named_with_both(tmp_path):
    events = recording(frames=3)
    bare = next(e.msg.twist for e in events if e.topic == TWISTS)
    path = write_bag(tmp_path / "bag", [*events, Event(TWISTS, "geometry_msgs/msg/Twist", events[0].logged, bare)])
    with pytest.raises(LosslessError, match="is geometry_msgs/msg/Twist and geometry_msgs/msg/TwistStamped, expected"):
        read_episode(path, CONTRACT)
    assert len(read_frames(path, CONTRACT)) == 3  # which needs no commands


def test_a_robots_file_may_name_the_compressed_topic_itself(tmp_path):
    import cv2

    def compress(i, event):
        kind = "sensor_msgs/msg/CompressedImage"
        data = cv2.imencode(".png", event.msg.data.reshape(event.msg.height, event.msg.width, 3)[..., ::-1])[1]
        msg = make(kind, header(stamp_of(event)), "png", data.reshape(-1))
        return event._replace(topic="/realsense/color/compressed", kind=kind, msg=msg)

    plain = read_episode(write_bag(tmp_path / "plain", recording()), CONTRACT)
    path = write_bag(tmp_path / "bag", edited(recording(), CAMERAS[1], compress))
    robot = Robot(topics={"wrist/image_raw": "/realsense/color/compressed"})
    small = read_episode(path, CONTRACT, robot)
    np.testing.assert_array_equal([f.images for f in small.frames], [f.images for f in plain.frames])

"""What the policy sees, for people: its cameras' images side by side, as it gets them."""

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image

from lossless_ros.observation.frames import Frame


class DebugImage:
    """Publishes ~/debug/image while somebody looks."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(Image, "~/debug/image", qos_profile_sensor_data)

    def publish(self, frame: Frame) -> None:
        if not self._publisher.get_subscription_count():
            return
        height = max(image.shape[0] for image in frame.images)
        padded = [np.pad(image, ((0, height - len(image)), (0, 0), (0, 0))) for image in frame.images]
        picture = np.ascontiguousarray(np.concatenate(padded, axis=1))
        msg = Image(height=height, width=picture.shape[1], encoding="rgb8", step=3 * picture.shape[1])
        msg.header.stamp = Time(nanoseconds=frame.stamp).to_msg()
        msg.data.frombytes(picture.data.cast("B"))
        self._publisher.publish(msg)

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)

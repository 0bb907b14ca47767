"""The policy's input images, side by side, for people to look at."""

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image

from lossless_ros.observation.frames import Frame


class DebugImage:
    """Publishes ~/debug/image while there is a subscriber."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(Image, "~/debug/image", qos_profile_sensor_data)

    def publish(self, frame: Frame) -> None:
        """Publish the images of a frame."""
        if not self._publisher.get_subscription_count():
            return
        height = max(image.shape[0] for image in frame.images)
        padded = [np.pad(image, ((0, height - len(image)), (0, 0), (0, 0))) for image in frame.images]
        mosaic = np.ascontiguousarray(np.concatenate(padded, axis=1))
        msg = Image(height=height, width=mosaic.shape[1], encoding="rgb8", step=3 * mosaic.shape[1])
        msg.header.stamp = Time(nanoseconds=frame.stamp).to_msg()
        msg.data.frombytes(mosaic.data.cast("B"))
        self._publisher.publish(msg)

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)

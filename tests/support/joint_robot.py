"""A robot of two joints that moves by the joint commands that it gets."""

import numpy as np
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from tests.support.recordings import IMAGE_SIZE
from tests.support.robot_stub import NodeStub

PERIOD_S = 0.05
ROBOT_NAMES = ("elbow", "finger_joint1")  # what the robot calls the joints


class JointRobotStub(NodeStub):
    """Publishes camera and joint states at 20 Hz and executes joint velocities and trajectory points exactly.

    Attributes:
        position: of the joints (2,) [rad, m].
        velocity: that the joints have (2,) [rad/s, m/s].
        lowest: positions that the joints had; also `highest`.
        seeing: whether images are published.
        commands: joint velocities that arrived.
        points: trajectory points that arrived.
        sent: echoes of the inference node.
        would_send: the same in a dry run.
    """

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("robot", domain_id, namespace)
        self.position, self.velocity = np.array([0.0, 0.02]), np.zeros(2)
        self.lowest, self.highest = self.position.copy(), self.position.copy()
        self.seeing = True
        self.commands: list[np.ndarray] = []
        self.points: list[JointTrajectory] = []
        self.sent: list[JointState] = []
        self.would_send: list[JointState] = []
        node = self.node
        self._images = node.create_publisher(Image, "camera/image_raw", qos_profile_sensor_data)
        self._joints = node.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
        node.create_subscription(Float64MultiArray, "velocity_controller/commands", self._on_velocity, 10)
        node.create_subscription(JointTrajectory, "arm_controller/joint_trajectory", self._on_trajectory, 10)
        node.create_subscription(JointState, "inference_node/sent", self.sent.append, 10)
        node.create_subscription(JointState, "inference_node/would_send", self.would_send.append, 10)
        node.create_timer(PERIOD_S, self._publish)
        self.begin()

    @property
    def moving(self) -> bool:
        """Return whether a joint has a velocity."""
        return bool(self.velocity.any())

    def _on_velocity(self, msg: Float64MultiArray) -> None:
        self.commands.append(np.array(msg.data))
        self.velocity = self.commands[-1]

    def _on_trajectory(self, msg: JointTrajectory) -> None:
        self.points.append(msg)
        self.position = np.array(msg.points[-1].positions)

    def _publish(self) -> None:
        self.position = self.position + PERIOD_S * self.velocity
        self.lowest, self.highest = np.minimum(self.lowest, self.position), np.maximum(self.highest, self.position)
        stamp = self.node.get_clock().now().to_msg()
        joints = JointState(name=ROBOT_NAMES, position=self.position.tolist())
        joints.header.stamp = stamp
        self._joints.publish(joints)
        if self.seeing:
            image = Image(height=IMAGE_SIZE, width=IMAGE_SIZE, encoding="rgb8", step=3 * IMAGE_SIZE)
            image.header.stamp = stamp
            image.data.frombytes(bytes(3 * IMAGE_SIZE * IMAGE_SIZE))
            self._images.publish(image)

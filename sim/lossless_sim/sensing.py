"""What the robot and the cameras report, which domains make differ from the truth."""

import mujoco
import numpy as np

from lossless_sim.domains import Draw, spoil, values
from lossless_sim.domains.lag import UnevenLag
from lossless_sim.ids import Ids
from lossless_sim.scene import names
from lossless_sim.scene.physics import CONTROL_PERIOD
from lossless_sim.state import site_pose

Images = dict[str, np.ndarray]


class Proprioception:
    """Joints, gripper and tool as reported: calibration error, noise, backlash of one episode's draw."""

    def __init__(self, draw: Draw, rng: np.random.Generator) -> None:
        v = values(draw, "robot")
        self._offset = v["tool_offset"]
        self._noise = float(v["joint_noise"][0])
        self._backlash = float(v["gripper_backlash"][0])
        self._finger = 0.0
        self._rng = rng

    def __call__(self, data: mujoco.MjData, ids: Ids) -> dict[str, np.ndarray]:
        """Joint and gripper position, velocity, effort (7,), (1,); tool pose (7,) x y z qx qy qz qw."""
        position = data.qpos[ids.arm_qpos].copy()
        if self._noise > 0:
            position += self._rng.normal(0.0, self._noise, 7)
        finger = float(data.qpos[ids.finger_qpos])
        self._finger = float(np.clip(self._finger, finger - self._backlash, finger + self._backlash))
        pose = site_pose(data, ids.pinch)
        pose[:3] += self._offset
        return {
            "joint_position": position,
            "joint_velocity": data.qvel[ids.arm_dof].copy(),
            "joint_effort": data.actuator_force[ids.arm_ctrl].copy(),
            "gripper_position": np.array([self._finger]),
            "gripper_velocity": data.qvel[[ids.finger_dof]].copy(),
            "gripper_effort": data.qfrc_actuator[[ids.finger_dof]].copy(),
            "tcp_pose": pose[[0, 1, 2, 4, 5, 6, 3]],
        }


class Pictures:
    """Images as they arrive: spoilt, late, sometimes repeated."""

    def __init__(self, draw: Draw, rng: np.random.Generator) -> None:
        v = values(draw, "time")
        self._draw = draw
        self._rng = rng
        self._lag: UnevenLag[Images] = UnevenLag(float(v["image_delay"][0]) / CONTROL_PERIOD, rng)
        self._dropped = float(v["dropped_frames"][0])
        self._last: Images = {}

    def __call__(self, rendered: Images) -> Images:
        """The images that a policy gets for the rendered ones."""
        images = {
            name: spoil(image, names.CAMERAS.index(name), self._draw, self._rng) for name, image in rendered.items()
        }
        arrived = self._lag(images)
        if self._dropped > 0:
            lost = self._rng.random(len(arrived)) < self._dropped
            arrived = {
                name: self._last.get(name, image) if gone else image
                for (name, image), gone in zip(arrived.items(), lost, strict=True)
            }
        self._last = arrived
        return dict(arrived)

"""Observations as the robot and the cameras report them: calibration errors, noise, backlash, latency, frame loss."""

from collections.abc import Sequence

import gymnasium
import mujoco
import numpy as np

from lossless_sim.domains import DomainSample, apply_camera_model, sensor_noise
from lossless_sim.domains.delay import JitteredDelay
from lossless_sim.model_indices import ModelIndices
from lossless_sim.scene import names
from lossless_sim.state import site_pose
from lossless_sim.state_layout import STATE_SIZE
from lossless_sim.timing import CONTROL_PERIOD

Images = dict[str, np.ndarray]
PROPRIOCEPTION_SIZES = {
    "joint_position": 7,
    "joint_velocity": 7,
    "joint_effort": 7,
    "gripper_position": 1,
    "gripper_velocity": 1,
    "gripper_effort": 1,
    "tcp_pose": 7,
}


def observation_space(cameras: Sequence[str], image_size: int) -> gymnasium.spaces.Dict:
    """Return the space of the images, the proprioception and the specialists' state."""

    def unbounded(size: int, dtype: type) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-np.inf, np.inf, (size,), dtype)

    image = gymnasium.spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
    return gymnasium.spaces.Dict(
        {
            **{name: image for name in cameras},
            **{key: unbounded(size, np.float64) for key, size in PROPRIOCEPTION_SIZES.items()},
            "state": unbounded(STATE_SIZE, np.float32),
        }
    )


class Proprioception:
    """Joint, gripper and TCP readings with the sensor errors of one episode."""

    def __init__(self, sample: DomainSample, rng: np.random.Generator) -> None:
        self._tool_offset = sample.robot.tool_offset
        self._joint_noise = float(sample.robot.joint_noise[0])
        self._backlash = float(sample.robot.gripper_backlash[0])
        self._finger = 0.0
        self._rng = rng

    def __call__(self, data: mujoco.MjData, indices: ModelIndices) -> dict[str, np.ndarray]:
        """Return position, velocity and effort of joints (7,) and gripper (1,); TCP pose (7,) x y z qx qy qz qw."""
        position = data.qpos[indices.arm_qpos].copy()
        if self._joint_noise > 0:
            position += self._rng.normal(0.0, self._joint_noise, 7)
        finger = float(data.qpos[indices.finger_qpos])
        self._finger = float(np.clip(self._finger, finger - self._backlash, finger + self._backlash))
        pose = site_pose(data, indices.pinch)
        pose[:3] += self._tool_offset
        return {
            "joint_position": position,
            "joint_velocity": data.qvel[indices.arm_dof].copy(),
            "joint_effort": data.actuator_force[indices.arm_ctrl].copy(),
            "gripper_position": np.array([self._finger]),
            "gripper_velocity": data.qvel[[indices.finger_dof]].copy(),
            "gripper_effort": data.qfrc_actuator[[indices.finger_dof]].copy(),
            "tcp_pose": pose[[0, 1, 2, 4, 5, 6, 3]],
        }


class CameraSensor:
    """Images as they arrive in one episode: with the camera model applied, delayed, and sometimes repeated."""

    def __init__(self, sample: DomainSample, rng: np.random.Generator) -> None:
        self._sample = sample
        self._rng = rng
        self._delay: JitteredDelay[Images] = JitteredDelay(float(sample.time.image_delay[0]) / CONTROL_PERIOD, rng)
        self._drop_probability = float(sample.time.dropped_frames[0])
        self._last: Images = {}

    def __call__(self, rendered: Images) -> Images:
        """Return the images that arrive when `rendered` are taken."""
        return self.deliver(self.capture(rendered))

    def capture(self, rendered: Images) -> Images:
        """Return `rendered` as the cameras take them."""
        return {
            name: apply_camera_model(image, names.CAMERAS.index(name), self._sample, self._rng)
            for name, image in rendered.items()
        }

    def skip(self, rendered: Images) -> None:
        """Draw the random numbers that `capture` would draw, and take no images."""
        for image in rendered.values():
            sensor_noise(image.shape, self._sample, self._rng)

    def deliver(self, images: Images) -> Images:
        """Return the images that arrive when `images` are sent, delayed and sometimes repeated."""
        arrived = self._delay(images)
        if self._drop_probability > 0:
            dropped = self._rng.random(len(arrived)) < self._drop_probability
            arrived = {
                name: self._last.get(name, image) if is_dropped else image
                for (name, image), is_dropped in zip(arrived.items(), dropped, strict=True)
            }
        self._last = arrived
        return dict(arrived)

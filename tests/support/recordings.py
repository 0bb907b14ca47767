"""Small synthetic episodes: the arm moves toward a bright square, and closes the gripper when it is on the right.

With object poses, all objects are at the square: 0.1 m from the tool at an edge of the image. They are turned about the
vertical by 0.8 rad at the right edge and by -0.8 rad at the left one.
"""

from pathlib import Path

import numpy as np

from lossless_ros.contract import Contract
from lossless_ros.episodes.object_poses import OBJECTS
from lossless_ros.episodes.sim_messages import JOINT_NAMES, observation_messages
from lossless_ros.episodes.writer import EpisodeWriter

IMAGE_SIZE = 48  # [px]
SQUARE = 16  # [px]
EPISODE_STEPS = 20


def record_episode(
    path: Path,
    contract: Contract,
    seed: int,
    pause_after: int = EPISODE_STEPS,
    encoding: str = "rgb8",
    object_poses: bool = False,
    **info: object,
) -> Path:
    """Record an episode and return its path.

    Args:
        path: the rosbag2 folder to write.
        contract: with cameras of IMAGE_SIZE.
        seed: of the content.
        pause_after: number of steps after which the recording pauses for a second.
        encoding: what the image messages name as their encoding.
        object_poses: whether the episode has them.
        info: additional information to store, which overrides the default.
    """
    rng = np.random.default_rng(seed)
    assert len(JOINT_NAMES) == 8
    with EpisodeWriter(path, contract, privileged=object_poses) as writer:
        for step in range(EPISODE_STEPS):
            row, col = rng.integers(0, IMAGE_SIZE - SQUARE, 2)
            image = rng.integers(0, 60, (IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
            image[row : row + SQUARE, col : col + SQUARE] = 250
            joints = {f"joint_{k}": rng.normal(size=7) for k in ("position", "velocity", "effort")}
            gripper = {f"gripper_{k}": rng.random(1) for k in ("position", "velocity", "effort")}
            pose = np.array([0.6, 0.0, 0.2, 1.0, 0, 0, 0])
            observation = {c.name: image for c in contract.cameras} | joints | gripper | {"tcp_pose": pose}
            direction = np.array([row, col]) / (IMAGE_SIZE - SQUARE) * 2 - 1
            action = np.float32([*(0.07 * direction), 0.01, 0.0, 1 if direction[1] > 0 else -1])
            stamp = 1_000_000_000 * (1 + (step >= pause_after)) + step * contract.period_ns
            messages = observation_messages(contract, stamp, observation)
            for camera in contract.cameras:
                messages[camera.topic].encoding = encoding
            writer._write(stamp, messages)
            if object_poses:
                turn = 0.4 * direction[1]  # half the angle
                at_square = np.array([*(pose[:2] + 0.1 * direction), pose[2], 0, 0, np.sin(turn), np.cos(turn)])
                writer.observe_privileged(stamp, dict.fromkeys(OBJECTS, at_square), np.zeros(1))
            writer.act(stamp, action)
        return writer.close({"seed": seed, "success": True, "task": "rgb_stacking/triplet1", **info})

"""A contract that commands two joints and has no gripper, and small episodes of it.

The joints move toward a bright square: the elbow by its row, the finger by its column.
"""

from pathlib import Path

import numpy as np

from lossless_ros.contract import JOINTS, Action, Axis, Camera, Contract, Proprioception
from lossless_ros.episodes.writer import EpisodeWriter
from tests.support.recordings import EPISODE_STEPS, IMAGE_SIZE, SQUARE

NAMES = ("elbow", "finger")
LIMITS = np.array([1.0, 0.05])  # rad/s, m/s
CONTRACT = Contract(
    name="two_joints",
    rate_hz=20.0,
    cameras=(Camera("camera", IMAGE_SIZE, IMAGE_SIZE),),
    proprioception=(Proprioception("joint_states", NAMES),),
    action=Action(
        frame_id="world",
        axes=(Axis("elbow", LIMITS[0]), Axis("finger", LIMITS[1], prismatic=True)),
        space=JOINTS,
    ),
)


def record_joints(path: Path, seed: int) -> Path:
    """Record an episode and return its path."""
    rng = np.random.default_rng(seed)
    with EpisodeWriter(path, CONTRACT, joint_names=NAMES) as writer:
        for step in range(EPISODE_STEPS):
            row, col = rng.integers(0, IMAGE_SIZE - SQUARE, 2)
            image = rng.integers(0, 60, (IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
            image[row : row + SQUARE, col : col + SQUARE] = 250
            kinds = ("position", "velocity", "effort")
            observation = {f"{part}_{kind}": rng.random(1) for part in ("joint", "gripper") for kind in kinds}
            observation |= {"camera": image, "tcp_pose": np.array([0.6, 0.0, 0.2, 1.0, 0, 0, 0])}
            direction = np.array([row, col]) / (IMAGE_SIZE - SQUARE) * 2 - 1
            stamp = 1_000_000_000 + step * CONTRACT.period_ns
            writer.observe(stamp, observation)
            writer.act(stamp, np.float32(LIMITS * direction))
        return writer.close({"seed": seed, "success": True, "task": "two_joints/reach"})

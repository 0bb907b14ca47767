"""The lossless proof on recorded images."""

from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import load_robot
from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.bundle import read_bundle

IMAGES = 4  # of each camera, spread over the episode


def verify_on_recording(bundle: Path, bag: Path, weights: Path | None = None, robot: str = "sim") -> dict[str, Any]:
    """`models.verify.verify` with images of the first episode in `bag`, recorded by `robot`.

    `weights` is a local file with the backbone's weights.

    Raises:
        LosslessError: bundle, bag or robot cannot be used.
    """
    path, contract = find_episodes([bag])[0], read_bundle(bundle).contract
    frames = read_episode(path, contract, load_robot(robot)).frames
    if not frames:
        raise LosslessError(f"{path}: no frame of contract '{contract.name}' with an action in it")
    chosen = np.linspace(0, len(frames) - 1, min(IMAGES, len(frames))).round().astype(int)
    images = np.stack([image for i in chosen for image in frames[i].images])
    return verify(bundle, images, weights=weights)

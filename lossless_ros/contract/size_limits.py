"""The largest sizes that contracts, bundles and weights may have.

They are far above what policies use, and low enough that reading a file neither stalls a robot's control loop nor
exhausts its memory.
"""

from dataclasses import dataclass

MAX_CAMERAS = 8
MAX_CAMERA_SIZE = 4096  # width and height of a contract's images [px]
MAX_PROPRIOCEPTION = 1000  # values of a contract's proprioception
MAX_NAME_LENGTH = 200  # of tasks, topics and joints [characters]
MAX_NETWORK_SIZES = {  # of the fields of `NetworkConfig`
    "bottleneck_dim": 4096,
    "kernel_size": 63,
    "image_size": 1024,
    "top_size": 65536,
    "top_grid": 64,
    "hidden_dims": 16384,
    "chunk_size": 1000,
    "num_modes": 100,
    "num_keypoints": 4096,
    "keypoint_channels": 4096,
}
MAX_HIDDEN_LAYERS = 16


@dataclass(frozen=True)
class FileLimits:
    """The largest size of a safetensors file and of its header [bytes]."""

    file: int
    header: int


BUNDLE_LIMITS = FileLimits(file=2 << 30, header=1 << 20)
WEIGHTS_LIMITS = FileLimits(file=16 << 30, header=8 << 20)

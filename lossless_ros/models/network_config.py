"""Sizes of a policy's trainable part. No torch here, so that a bundle can be described quickly."""

from dataclasses import dataclass

from lossless_ros.contract.size_limits import MAX_HIDDEN_LAYERS, MAX_NETWORK_SIZES

PLACEMENTS = ("bottom", "middle", "top")
GRID, KEYPOINTS = "grid", "keypoints"  # what the top adapter passes on: a grid of features, or where things are
TOPS = (GRID, KEYPOINTS)
MEAN, SPATIAL_SOFTMAX = "mean", "spatial_softmax"  # what is passed on without a top adapter
POOLINGS = (MEAN, SPATIAL_SOFTMAX)
LAYER, BATCH = "layer", "batch"  # how the head's inputs are normalized
HEAD_NORMS = (LAYER, BATCH)
GELU = "gelu"
ACTIVATIONS = (GELU, "relu", "tanh")
PRETRAINED, RANDOM = "pretrained", "random"  # how a trainable backbone is initialized


@dataclass(frozen=True)
class NetworkConfig:
    """All that determines the network's shapes; stored in the bundle."""

    placements: tuple[str, ...]  # where adapters are: any of bottom, middle, top
    bottleneck_dim: int  # width of bottom and middle adapters
    kernel_size: int  # of their depthwise convolution [px], odd; 1: none
    image_size: int  # images are resized to this square [px]
    top_size: int  # top grid: values per camera that it passes on, about
    top_grid: int  # top grid: its pooling cells along height and width
    hidden_dims: tuple[int, ...]  # widths of the head's hidden layers
    chunk_size: int = 1  # steps predicted per frame: the current one and those after it
    num_modes: int = 0  # Gaussians of the velocities' mixture; 0: a point estimate
    trainable_backbone: str = ""  # a trainable copy of the backbone, initialized pretrained or random; "": none
    top: str = GRID  # the kind of the top adapter, grid or keypoints
    num_keypoints: int = 32  # top keypoints: heat maps, each of which gives one point in the image
    keypoint_channels: int = 64  # top keypoints: channels of the map that the heat maps are computed from
    pooling: str = MEAN  # without a top adapter: the mean over the image, or where each channel is active
    head_norm: str = LAYER  # layer: LayerNorms of features and hidden layers; batch: one BatchNorm of the head's inputs
    activation: str = GELU  # of the head's hidden layers

    def __post_init__(self) -> None:
        wrong = [p for p in self.placements if p not in PLACEMENTS]
        if wrong:
            raise ValueError(f"placement is '{wrong[0]}', expected one of {', '.join(PLACEMENTS)}")
        if self.top not in TOPS:
            raise ValueError(f"top is '{self.top}', expected {' or '.join(TOPS)}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling is '{self.pooling}', expected {' or '.join(POOLINGS)}")
        if self.head_norm not in HEAD_NORMS:
            raise ValueError(f"head_norm is '{self.head_norm}', expected {' or '.join(HEAD_NORMS)}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}', expected {' or '.join(ACTIVATIONS)}")
        if self.trainable_backbone not in ("", PRETRAINED, RANDOM):
            raise ValueError(
                f"trainable_backbone is '{self.trainable_backbone}', expected {PRETRAINED}, {RANDOM} or nothing"
            )
        for name, largest in MAX_NETWORK_SIZES.items():
            value = getattr(self, name)
            least = 0 if name == "num_modes" else 1
            for size in value if isinstance(value, tuple) else (value,):
                if size < least:
                    raise ValueError(f"{name} is {size}, expected at least {least}")
                if size > largest:
                    raise ValueError(f"{name} is {size}, expected at most {largest}")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}, expected an odd number")
        if len(self.hidden_dims) > MAX_HIDDEN_LAYERS:
            raise ValueError(f"hidden_dims has {len(self.hidden_dims)} widths, expected at most {MAX_HIDDEN_LAYERS}")

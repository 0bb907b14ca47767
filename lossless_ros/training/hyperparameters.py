"""Hyperparameters of a training run, from config/training/*.yaml; an unknown key is an error."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from lossless_ros import defaults
from lossless_ros.contract.config import from_mapping, load_yaml, rename_keys
from lossless_ros.errors import LosslessError, unknown
from lossless_ros.models.adapters import default_bottleneck_dim
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import DTYPES
from lossless_ros.models.execution import DEFAULT_COEFF, ENSEMBLE, Execution
from lossless_ros.models.network_config import (
    ACTIVATIONS,
    BATCH,
    GELU,
    GRID,
    HEAD_NORMS,
    LAYER,
    MEAN,
    POOLINGS,
    PRETRAINED,
    RANDOM,
    TOPS,
    NetworkConfig,
)
from lossless_ros.paths import find_config
from lossless_ros.progress import echo

BACKBONE_RUNTIMES = ("auto", "torch", "openvino")
COSINE = "cosine"
LR_SCHEDULES = (COSINE, "constant")
MODES: dict[str, tuple[str, ...]] = {  # mode -> placements of its adapters
    "frozen": (),
    "top": ("top",),
    "middle": ("middle",),
    "bottom": ("bottom",),
    "adapters": ("bottom", "middle", "top"),
    "full": ("top",),  # as adapters, with a trained copy of the backbone instead of bottom and middle adapters
    "scratch": ("top",),
}
BACKBONE_INIT = {"full": PRETRAINED, "scratch": RANDOM}  # modes that train a copy of the backbone -> its initialization
_INTEGERS_FROM_1 = (
    "steps",
    "batch_size",
    "warmup_steps",
    "num_validations",
    "val_frames",
    "num_cached_views",
    "cached_frame_stride",
    "chunk_size",
    "top_size",
    "top_grid",
    "num_keypoints",
    "keypoint_channels",
    "bottleneck_dim",
    "image_size",
    "threads",
)
_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (  # null is always allowed
    (_INTEGERS_FROM_1, lambda value: value >= 1, "at least 1"),
    (("head_warmup_steps", "num_modes", "seed"), lambda value: value >= 0, "at least 0"),
    (
        ("learning_rate", "backbone_lr_scale", "grad_clip_norm", "max_minutes"),
        lambda value: 0 < value < inf,
        "more than 0",
    ),
    (
        ("weight_decay", "gripper_weight", "object_position_weight", "object_width_weight"),
        lambda value: 0 <= value < inf,
        "0 or more",
    ),
    (
        ("held_out", "random_shift", "color_jitter", "ema_decay"),
        lambda value: 0 <= value < 1,
        "0 or more and less than 1",
    ),
    (("noop_threshold",), lambda value: 0 <= value <= 1, "0 to 1"),
    (("kernel_size",), lambda value: value >= 1 and value % 2 == 1, "an odd number"),
    (("top",), lambda value: value in TOPS, " or ".join(TOPS)),
    (("pooling",), lambda value: value in POOLINGS, " or ".join(POOLINGS)),
    (("head_norm",), lambda value: value in HEAD_NORMS, " or ".join(HEAD_NORMS)),
    (("activation",), lambda value: value in ACTIVATIONS, " or ".join(ACTIVATIONS)),
    (("lr_schedule",), lambda value: value in LR_SCHEDULES, " or ".join(LR_SCHEDULES)),
    (("backbone_runtime",), lambda value: value in BACKBONE_RUNTIMES, " or ".join(BACKBONE_RUNTIMES)),
    (("bundle_dtype",), lambda value: value in DTYPES, " or ".join(DTYPES)),
    (("hidden_dims",), lambda value: min(value, default=1) >= 1, "at least 1 each"),
)
RENAMED = {  # keys of version 0.1.0 -> current keys
    "batch": "batch_size",
    "full_rate": "backbone_lr_scale",
    "warm_up": "warmup_steps",
    "clip": "grad_clip_norm",
    "shift": "random_shift",
    "colour": "color_jitter",
    "idle": "noop_threshold",
    "looks": "num_validations",
    "look_frames": "val_frames",
    "head_start": "head_warmup_steps",
    "cached": "cache_features",
    "feature_views": "num_cached_views",
    "feature_stride": "cached_frame_stride",
    "rank": "bottleneck_dim",
    "kernel": "kernel_size",
    "hidden": "hidden_dims",
    "chunk": "chunk_size",
    "mixture": "num_modes",
    "ema": "ema_decay",
    "checkpointing": "gradient_checkpointing",
}
ADDED = {  # newer settings -> what runs without them have
    "top": GRID,
    "num_keypoints": 32,
    "keypoint_channels": 64,
    "pooling": MEAN,
    "head_norm": LAYER,
    "activation": GELU,
    "lr_schedule": COSINE,
    "object_position_weight": 0.0,
    "object_width_weight": 0.0,
}
STORED = {  # newer settings that change what is stored, or only rounding -> what runs without them have
    "execution": f"{ENSEMBLE}:{DEFAULT_COEFF}",
    "bundle_dtype": "float32",
    "backbone_runtime": "torch",  # the runtimes differ in rounding
}
_OLD_NAMES = {new: old for old, new in RENAMED.items()}


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a training run; config/training/default.yaml documents each of them."""

    steps: int
    batch_size: int
    learning_rate: float
    backbone_lr_scale: float
    weight_decay: float
    warmup_steps: int
    lr_schedule: str
    grad_clip_norm: float | None
    gripper_weight: float
    object_position_weight: float
    object_width_weight: float
    random_shift: float
    color_jitter: float
    held_out: float
    only_successful: bool
    noop_threshold: float
    num_validations: int
    val_frames: int
    num_cached_views: int
    cached_frame_stride: int
    head_warmup_steps: int
    top: str
    top_size: int
    top_grid: int
    num_keypoints: int
    keypoint_channels: int
    pooling: str
    head_norm: str
    activation: str
    hidden_dims: tuple[int, ...]
    kernel_size: int
    seed: int
    bottleneck_dim: int | None
    image_size: int | None
    max_minutes: float | None
    chunk_size: int
    execution: str
    num_modes: int
    ema_decay: float
    amp: bool
    cache_features: bool
    gradient_checkpointing: bool
    threads: int | None
    device: str
    bundle_dtype: str
    backbone_runtime: str

    def __post_init__(self) -> None:
        for names, is_valid, expected in _CHECKS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not is_valid(value):
                    raise ValueError(f"{name} is {value}, expected {expected}")
        if self.head_norm == BATCH and self.batch_size < 2:
            raise ValueError("batch_size is 1, expected at least 2 with head_norm: batch")
        Execution.parse(self.execution, self.chunk_size)

    def identity(self) -> dict[str, Any]:
        """Return the values that tell runs apart.

        These are all but newer settings with the value that runs without them have, and what changes no training.
        """
        values = {k: v for k, v in dataclasses.asdict(self).items() if k not in STORED}
        return {k: v for k, v in values.items() if k not in ADDED or v != ADDED[k]}

    def under_old_names(self) -> dict[str, Any]:
        """Return the values of `identity` by the keys of version 0.1.0."""
        return {_OLD_NAMES.get(key, key): value for key, value in self.identity().items()}


def load_hyperparameters(name: str | Hyperparameters) -> Hyperparameters:
    """Load a name of config/training or a YAML file; keys that are not given are those of default.yaml.

    `auto` is `default` where there is a GPU and else `stacking`, which takes less than an hour on a CPU.
    Hyperparameters are returned unchanged.

    Raises:
        LosslessError: no such file, an unknown key, or a value of the wrong type or out of range.
    """
    if isinstance(name, Hyperparameters):
        return name
    if name == defaults.SETTINGS:
        name = settings_for_this_machine()
    path = find_config("training", name)
    default, given = load_yaml(find_config("training", "default")), load_yaml(path)
    old = [f"{key} is now {RENAMED[key]}" for key in given if key in RENAMED]
    if old:
        echo(f"{path}: {', '.join(old)}; the old names still work")
    return from_mapping(Hyperparameters, {**default, **rename_keys(given, RENAMED, str(path))}, str(path))


def settings_for_this_machine() -> str:
    """Return the name of the settings for its device."""
    from torch import cuda

    return "default" if cuda.is_available() else "stacking"


def network_config(config: Hyperparameters, mode: str, backbone: Backbone) -> NetworkConfig:
    """Return the network configuration of a training mode on a backbone.

    Raises:
        LosslessError: unknown mode, an image size that the backbone does not take, or sizes beyond `size_limits`.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    sizes: dict[str, Any] = dict(
        placements=MODES[mode],
        bottleneck_dim=config.bottleneck_dim
        or default_bottleneck_dim(backbone.sites, config.kernel_size, backbone.num_parameters),
        kernel_size=config.kernel_size,
        image_size=backbone.check_size(config.image_size or backbone.preprocessing.size),
        top_size=config.top_size,
        top_grid=config.top_grid,
        top=config.top,
        num_keypoints=config.num_keypoints,
        keypoint_channels=config.keypoint_channels,
        pooling=config.pooling,
        head_norm=config.head_norm,
        activation=config.activation,
        hidden_dims=config.hidden_dims,
        chunk_size=config.chunk_size,
        num_modes=config.num_modes,
        trainable_backbone=BACKBONE_INIT.get(mode, ""),
    )
    try:
        return NetworkConfig(**sizes)
    except ValueError as error:
        raise LosslessError(str(error)) from None

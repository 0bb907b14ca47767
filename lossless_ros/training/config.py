"""Settings of a training run: config/training/*.yaml, unknown keys are errors."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from lossless_ros.errors import unknown
from lossless_ros.models.adapters import default_rank
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.network_config import PRETRAINED, RANDOM, NetworkConfig
from lossless_ros.paths import find_config
from lossless_ros.settings import build, load_yaml

MODES: dict[str, tuple[str, ...]] = {  # mode -> placements of its adapters
    "frozen": (),
    "top": ("top",),
    "middle": ("middle",),
    "bottom": ("bottom",),
    "adapters": ("bottom", "middle", "top"),
    "full": ("top",),  # what adapters have, but a copy of the backbone learns in place of bottom and middle
    "scratch": ("top",),
}
OWN_BACKBONE = {"full": PRETRAINED, "scratch": RANDOM}  # modes that train a copy of the backbone, and how it begins
_AT_LEAST_1 = (
    *("steps", "batch", "warm_up", "looks", "look_frames", "feature_views", "feature_stride", "chunk"),
    *("top_size", "top_grid", "rank", "image_size", "threads"),
)
_EXPECTED: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (  # of what is not null
    (_AT_LEAST_1, lambda value: value >= 1, "at least 1"),
    (("head_start", "mixture", "seed"), lambda value: value >= 0, "at least 0"),
    (("learning_rate", "full_rate", "clip", "max_minutes"), lambda value: 0 < value < inf, "more than 0"),
    (("weight_decay", "gripper_weight"), lambda value: 0 <= value < inf, "0 or more"),
    (("held_out", "shift", "colour", "ema"), lambda value: 0 <= value < 1, "0 or more and less than 1"),
    (("idle",), lambda value: 0 <= value <= 1, "0 to 1"),
    (("kernel",), lambda value: value >= 1 and value % 2 == 1, "an odd number"),
    (("hidden",), lambda value: min(value, default=1) >= 1, "at least 1 each"),
)


@dataclass(frozen=True)
class TrainingConfig:
    """A training run; config/training/default.yaml says what each value does."""

    steps: int
    batch: int
    learning_rate: float
    full_rate: float
    weight_decay: float
    warm_up: int
    clip: float
    gripper_weight: float
    shift: float
    colour: float
    held_out: float
    only_successful: bool
    idle: float
    looks: int
    look_frames: int
    feature_views: int
    feature_stride: int
    head_start: int
    top_size: int
    top_grid: int
    hidden: tuple[int, ...]
    kernel: int
    seed: int
    rank: int | None
    image_size: int | None
    max_minutes: float | None
    chunk: int
    mixture: int
    ema: float
    amp: bool
    cached: bool
    checkpointing: bool
    threads: int | None
    device: str

    def __post_init__(self) -> None:
        for names, holds, expected in _EXPECTED:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise ValueError(f"{name} is {value}, expected {expected}")


def load_training_config(name: str) -> TrainingConfig:
    """The settings of that name (config/training) or path; what it does not say is as in default.yaml.

    Raises:
        LosslessError: no such file, or it is wrong.
    """
    path = find_config("training", name)
    default = load_yaml(find_config("training", "default"))
    return build(TrainingConfig, {**default, **load_yaml(path)}, str(path))


def network_config(config: TrainingConfig, mode: str, backbone: Backbone) -> NetworkConfig:
    """Sizes of the trainable part for a mode on a backbone.

    Raises:
        LosslessError: unknown mode.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    return NetworkConfig(
        placements=MODES[mode],
        rank=config.rank or default_rank(backbone.sites, config.kernel, backbone.parameters),
        kernel=config.kernel,
        image_size=backbone.check_size(config.image_size or backbone.preprocessing.size),
        top_size=config.top_size,
        top_grid=config.top_grid,
        hidden=config.hidden,
        chunk=config.chunk,
        mixture=config.mixture,
        own_backbone=OWN_BACKBONE.get(mode, ""),
    )

"""Settings of a training run: config/training/*.yaml, unknown keys are errors."""

from dataclasses import dataclass

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
    rank: int | None = None
    image_size: int | None = None
    max_minutes: float | None = None
    chunk: int = 1
    mixture: int = 0
    ema: float = 0.0
    amp: bool = False
    cached: bool = True
    checkpointing: bool = False
    threads: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "warm_up", "looks", "look_frames", "feature_views", "feature_stride", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        for name in ("learning_rate", "full_rate", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("held_out", "shift", "colour", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 or more and less than 1")
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise ValueError(f"max_minutes is {self.max_minutes}, expected more than 0")


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

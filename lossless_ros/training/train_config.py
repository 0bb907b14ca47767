"""What to train on what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossless_ros import defaults
from lossless_ros.contract import Contract, Robot
from lossless_ros.errors import LosslessError
from lossless_ros.files import check_writable
from lossless_ros.training.hyperparameters import Hyperparameters

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class TrainConfig:
    """What to train on what. The bundle depends on the seed, not on interruptions.

    Attributes:
        data: folder with episodes (rosbag2 folders), or several of them.
        out: the bundle to write (.safetensors).
        backbone: name of the pretrained backbone, see `models.backbones`.
        mode: what is trained, one of `hyperparameters.MODES`.
        hyperparameters: a name of config/training, a YAML file, or the hyperparameters themselves.
        contract: a name of config/contracts, a YAML file, or the contract itself; auto: the one that the episodes were
            recorded with.
        robot: who recorded the episodes: a name of config/robots, a YAML file, or the robot itself.
        resume: continue from the last checkpoint next to `out`.
        weights: local file with the backbone's weights; None for its default source.
        allow_hub: whether weights may be downloaded.
        init_from: bundle of the same mode to start from; its proprioception statistics are kept.
        log_dir: folder for TensorBoard logs and an image of the learning curve.
        keep_checkpoints: how many of the last validations before the end keep their policy, see `kept_bundle`.
    """

    data: Paths
    out: str | Path
    backbone: str = defaults.BACKBONE
    mode: str = "adapters"
    hyperparameters: str | Hyperparameters = defaults.SETTINGS
    contract: str | Contract = defaults.AUTO
    robot: str | Robot = "sim"
    resume: bool = False
    weights: str | Path | None = None
    allow_hub: bool = False
    init_from: str | Path | None = None
    log_dir: str | Path | None = None
    keep_checkpoints: int = 0


def kept_bundle(out: Path, step: int) -> Path:
    """Return the bundle with the policy of the validation at `step`, of a training that writes `out`."""
    return out.with_name(f"{out.stem}_step{step}{out.suffix}")


def as_paths(paths: Paths) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def check_out(out: Path) -> None:
    """Check that a bundle can be written, before hours of training.

    Raises:
        LosslessError: the name does not end in .safetensors, or the file cannot be written.
    """
    if out.suffix != ".safetensors":
        raise LosslessError(f"cannot write {out}: expected a name that ends in .safetensors")
    check_writable(out)

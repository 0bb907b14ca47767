"""Log a training run: scalars for TensorBoard and an image of the learning curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossless_ros.errors import LosslessError

CURVE = "learning_curve.png"
_SCALARS = ("train_loss", "held_out_loss", "gripper_agreement", "learning_rate")


class RunLogger:
    """Logs to `folder`, or nowhere if it is None. A run resumed at `step` continues the logs in the same folder.

    Raises:
        LosslessError: the folder cannot be written, or TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, step: int = 0) -> None:
        self._folder, self._writer = folder, None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=step)
        except ImportError:
            raise LosslessError("logs need TensorBoard, which is not installed; run: pip install tensorboard") from None
        except OSError as error:
            raise LosslessError(f"cannot write logs into {folder}: {error.strerror}") from None

    def log(self, point: dict[str, Any]) -> None:
        """Write a point of the learning curve, see `Trainer.validate`."""
        if self._writer is None:
            return
        values = {name: point[name] for name in _SCALARS if point.get(name) is not None}
        values |= {f"mean_absolute_error/{axis}": error for axis, error in point["mae"].items()}
        for kind in ("object_error_mm", "object_width_error_mm"):
            values |= {f"{kind}/{name}": error for name, error in (point[kind] or {}).items()}
        for name, value in values.items():
            self._writer.add_scalar(name, value, point["step"])

    def close(self, curve: Sequence[dict[str, Any]]) -> None:
        """Close the event files and plot the learning curve."""
        if self._writer is None or self._folder is None:
            return
        from lossless_ros.evaluation.plots import write_learning_curve

        self._writer.close()
        write_learning_curve(self._folder / CURVE, curve)

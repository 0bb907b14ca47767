"""The training loop: steps, validations, checkpoints, logs and progress."""

from collections.abc import Callable
from pathlib import Path

from lossless_ros.errors import LosslessError
from lossless_ros.models.out_of_memory import explain_out_of_memory
from lossless_ros.training.checkpoint import RunIdentity, checkpoint_path, write_checkpoint
from lossless_ros.training.loggers import RunLogger
from lossless_ros.training.trainer import NotFiniteError, Trainer

OnProgress = Callable[[int, int, str], object]  # done, total, note


class TrainingLoop:
    """Runs a trainer to its end.

    Args:
        trainer: the trainer, at any step.
        out: the bundle that the run will write; the checkpoint is next to it.
        identity: of the run, for its checkpoints.
        logger: gets every point of the learning curve.
        on_progress: called after every step with the progress in percent, 100, and step and loss.
        on_validation: called after every validation during the run with how many of them are still to come.
    """

    def __init__(
        self,
        trainer: Trainer,
        out: Path,
        identity: RunIdentity,
        logger: RunLogger,
        on_progress: OnProgress,
        on_validation: Callable[[int], object] = lambda remaining: None,
    ) -> None:
        self._trainer, self._out, self._identity = trainer, out, identity
        self._logger, self._on_progress, self._on_validation = logger, on_progress, on_validation

    def run(self) -> None:
        """Take all remaining steps; the last point of the trainer's curve is then that of the trained policy.

        Raises:
            LosslessError: out of memory, a loss that is not finite, or a checkpoint that cannot be written.
        """
        trainer = self._trainer
        next_validation = self._count_due() + 1
        if trainer.step == 0:
            with explain_out_of_memory("before the first step", "try a smaller batch_size"):
                self._validate()
        while trainer.step == 0 or trainer.progress < 1:
            self._train_step()
            if self._count_due() >= next_validation and trainer.progress < 1 and trainer.can_validate:
                next_validation = self._count_due() + 1
                self._validate()
                self._on_validation(trainer.config.num_validations - self._count_due())
                self._save()
        if trainer.curve[-1]["step"] < trainer.step:
            self._validate()
        self._logger.close(trainer.curve)

    def _count_due(self) -> int:
        """Return how many validations are due by now."""
        return int(self._trainer.config.num_validations * self._trainer.progress)

    def _train_step(self) -> None:
        trainer = self._trainer
        advice = f"{self._kept()}; try a smaller batch_size or gradient_checkpointing: true"
        try:
            with explain_out_of_memory(f"in step {trainer.step}", advice):
                value = trainer.train_step()
        except NotFiniteError:
            raise LosslessError(
                f"loss is not finite in step {trainer.step}; {self._kept()}; "
                "try a lower learning_rate or grad_clip_norm"
            ) from None
        self._on_progress(int(100 * trainer.progress), 100, f"step {trainer.step}, loss {value:.4f}")

    def _validate(self) -> None:
        self._logger.log(self._trainer.validate())

    def _save(self) -> None:
        if self._trainer.group.is_main:
            write_checkpoint(self._out, self._identity, self._trainer.state())

    def _kept(self) -> str:
        """Return what is left of the run if it has to stop now."""
        path = checkpoint_path(self._out)
        return f"{path} holds the last good state" if path.is_file() else "there is no checkpoint yet"

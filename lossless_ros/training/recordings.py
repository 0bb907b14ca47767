"""The recordings of a training job: decoded, split, and what of them is not trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.episodes.cache import DecodedEpisode, decode_episodes
from lossless_ros.episodes.dataset import split
from lossless_ros.episodes.left_out import describe_left_out, gripper_note, left_out_frames
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import Bundle
from lossless_ros.progress import echo
from lossless_ros.training.batches import TrainingData
from lossless_ros.training.distributed import ProcessGroup
from lossless_ros.training.loop import OnProgress
from lossless_ros.training.statistics import describe_seeds
from lossless_ros.training.train_config import as_paths
from lossless_ros.training.train_job import TrainJob


@dataclass(frozen=True)
class Recordings:
    """The frames to train on, and what they were taken from."""

    task: str
    data: TrainingData
    num_episodes: int  # that were recorded; some may be left out

    def describe(self, before: Bundle | None) -> dict[str, Any]:
        """Return what the bundle says of its data, JSON-serializable.

        Args:
            before: the bundle that training started from.
        """
        data = self.data
        return {
            "episodes": len(data.training.episodes),
            "frames": len(data.training),
            "held_out_episodes": len(data.held_out.episodes),
            "held_out_frames": len(data.held_out),
            "left_out_frames": left_out_frames(data.episodes),
            "left_out_episodes": self.num_episodes - len(data.episodes),
            "episodes_with_object_poses": sum(e.object_poses is not None for e in data.training.episodes),
            "key": data.training.key,
            **describe_seeds(data, before),
        }


def load_recordings(job: TrainJob, group: ProcessGroup, on_progress: OnProgress) -> Recordings:
    """Decode a job's episodes, and say what of them is not trained on.

    Raises:
        LosslessError: an episode cannot be used, the episodes are of several tasks, or the gripper commands are in
            other units than the robot's.
    """

    def report(done: int, total: int) -> None:
        on_progress(done, total, "episodes decoded")

    paths = find_episodes(as_paths(job.config.data))
    with group.main_first():
        episodes = decode_episodes(paths, job.contract, job.robot, report)
    task = _find_task(episodes, job.out)
    data = TrainingData(*split(episodes, job.hyperparameters.held_out, job.hyperparameters.only_successful))
    note = gripper_note(data.episodes, job.contract, job.robot)
    for line in (*describe_left_out(data.episodes), *([note] if note else [])):
        if group.is_main:
            echo(line)
    return Recordings(task, data, len(episodes))


def _find_task(episodes: list[DecodedEpisode], out: Path) -> str:
    """Return the episodes' task, or the bundle's name for recordings without one.

    Raises:
        LosslessError: the episodes are of several tasks.
    """
    tasks = sorted({str(e.info["task"]) for e in episodes if "task" in e.info})
    if len(tasks) > 1:
        raise LosslessError(f"episodes of {len(tasks)} tasks: {', '.join(tasks)}; give the folders of one task")
    return tasks[0] if tasks else out.stem

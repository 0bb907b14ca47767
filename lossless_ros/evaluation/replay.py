"""Replay recorded runs through a policy and compare its commands with the recorded ones."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import Action, load_robot
from lossless_ros.episodes.reader import Episode, check_frames, find_episodes, read_episode
from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.evaluation.training_seeds import trained_seeds
from lossless_ros.models.bundle import Bundle


@dataclass(frozen=True)
class ReplayConfig:
    """Which recordings to replay through which policy.

    Attributes:
        bundle: the policy's bundle: a file or the name of a shipped one.
        bags: rosbag2 folders, or folders of them.
        robot: who recorded them: a name of config/robots or a YAML file.
        device: auto, cpu or cuda.
        runtime: inference runtime, one of `models.runtimes.registry.RUNTIMES`.
        weights: local file with the backbone's weights; None for where the bundle says.
        allow_hub: whether weights may be downloaded.
    """

    bundle: Path | str
    bags: tuple[Path, ...]
    robot: str = "sim"
    device: str = "auto"
    runtime: str = "torch"
    weights: Path | None = None
    allow_hub: bool = False


@dataclass(frozen=True)
class _Replayed:
    """Recorded actions of an episode and those of the policy, both (T, dim): m/s, rad/s, and the gripper if any."""

    path: Path
    action: Action  # the contract's
    stamps: np.ndarray  # (T,) [ns]
    recorded: np.ndarray
    predicted: np.ndarray
    times_ms: list[float]  # per inference
    left_out: dict[str, int]  # frames of the bag that are not among the T, by reason
    fault: str | None  # why it is no recording to train on

    @property
    def error(self) -> np.ndarray:
        """Of the velocities (T, V) [m/s, rad/s]."""
        return self.predicted[:, : len(self.action.axes)] - self.velocities

    @property
    def velocities(self) -> np.ndarray:
        """The recorded ones (T, V) [m/s, rad/s]."""
        return self.recorded[:, : len(self.action.axes)]

    @property
    def gripper_agrees(self) -> np.ndarray:
        """Whether the gripper's command is the recorded one (T,); (0,) without a gripper."""
        if self.action.gripper is None:
            return np.zeros(0, bool)
        return (self.predicted[:, -1] > 0) == (self.recorded[:, -1] > 0)

    def summary(self) -> dict[str, Any]:
        mae = np.abs(self.error).mean(0).tolist()
        return {
            "path": str(self.path),
            "frames": len(self.recorded),
            "mae": dict(zip([axis.axis for axis in self.action.axes], mae, strict=True)),
            **_agreement([self]),
            "left_out_frames": self.left_out,
            "fault": self.fault,
        }

    def commands(self) -> dict[str, Any]:
        """Recorded and predicted commands over time."""
        seconds = (self.stamps - self.stamps[0]) / 1e9
        return {"t_s": seconds.tolist(), "recorded": self.recorded.tolist(), "predicted": self.predicted.tolist()}


def replay(
    config: ReplayConfig,
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
    on_frames: Callable[[int, int, str], object] = lambda done, total, note: None,
) -> dict[str, Any]:
    """Measure the open-loop error of a policy on recorded runs.

    Where a bag lacks the robot's command topics, the commands are those that the inference node sent, or would have
    sent in a dry run.

    Args:
        config: the job.
        on_progress: called with the summary of every episode.
        on_frames: called after every frame with the number of frames so far, an estimate of all, and a note.

    Returns:
        n (episodes), frames, left_out_frames (by reason), action_error (per axis: unit, mae, rmse, mae_of_zero: the
        error of the zero action, worse_than_zero: whether that is smaller), worse_than_zero: the axes where it is,
        gripper_agreement (only with a gripper), inference_ms, the same per episode with its path, and as `example` the
        first episode's commands over time (t_s, recorded and predicted (T, dim)). `trained_episodes` counts the
        simulated episodes that the policy was trained on; None if its bundle does not say.

    Raises:
        LosslessError: bundle or bag missing or damaged, or a bag without the contract's topics.
    """
    from lossless_ros.models.policy import load_policy

    paths = find_episodes([Path(bag) for bag in config.bags])
    policy = load_policy(
        Path(config.bundle), config.device, None, config.weights, config.runtime, allow_hub=config.allow_hub
    )
    robot = load_robot(config.robot)
    policy.warm_up()
    axes = policy.contract.action.axes
    runs: list[_Replayed] = []
    summaries: list[dict[str, Any]] = []
    trained: list[bool | None] = []
    example: dict[str, Any] = {}
    for path in paths:
        episode = read_episode(path, policy.contract, robot, echoed=True)
        counter = _FrameCounter(on_frames, sum(map(len, (run.recorded for run in runs))), len(runs), len(paths))
        run = _replay_episode(policy, episode, counter)
        trained.append(_was_trained_on(policy.bundle, episode.info))
        example = example or run.commands()
        runs.append(run)
        summaries.append(run.summary())
        on_progress(summaries[-1])
    error = np.concatenate([run.error for run in runs])
    zero = np.concatenate([run.velocities for run in runs])
    return {
        "bundle": str(config.bundle),
        "task": policy.task,
        "n": len(runs),
        "trained_episodes": None if None in trained else sum(map(bool, trained)),
        "frames": len(error),
        "left_out_frames": dict(sum((Counter(run.left_out) for run in runs), Counter[str]())),
        "action_error": {
            axis.axis: {
                "unit": axis.unit,
                "mae": float(np.abs(error[:, i]).mean()),
                "rmse": float(np.sqrt(np.square(error[:, i]).mean())),
                "mae_of_zero": float(np.abs(zero[:, i]).mean()),
                "worse_than_zero": bool(np.abs(error[:, i]).mean() > np.abs(zero[:, i]).mean()),
            }
            for i, axis in enumerate(axes)
        },
        "worse_than_zero": [
            axis.axis for i, axis in enumerate(axes) if np.abs(error[:, i]).mean() > np.abs(zero[:, i]).mean()
        ],
        **_agreement(runs),
        "inference_ms": percentiles([ms for run in runs for ms in run.times_ms]),
        "device": str(policy.device),
        "runtime": policy.runtime,
        "precision": policy.precision,
        "execution": str(policy.bundle.execution),
        "episodes": summaries,
        "example": example,
    }


def _agreement(runs: Sequence[_Replayed]) -> dict[str, float]:
    """Return in what share of all frames the gripper's command is the recorded one; empty without a gripper."""
    agrees = np.concatenate([run.gripper_agrees for run in runs])
    return {"gripper_agreement": float(agrees.mean())} if len(agrees) else {}


def _was_trained_on(bundle: Bundle, info: dict[str, Any]) -> bool | None:
    """Return whether a bundle was trained on an episode; False for one that is not simulated, None if it is unknown."""
    if not {"task", "domain", "seed"} <= info.keys():
        return False
    trained = trained_seeds(bundle, info["task"], str(info["domain"]), [int(info["seed"])])
    return None if trained is None else bool(trained)


@dataclass(frozen=True)
class _FrameCounter:
    """Reports the frames of an episode; episodes that are not read yet are taken to be as long as the others."""

    report: Callable[[int, int, str], object]
    before: int  # frames of earlier episodes
    episodes: int  # number of these
    total: int  # number of all episodes

    def __call__(self, done: int, frames: int) -> None:
        expected = round((self.before + frames) / (self.episodes + 1) * self.total)
        self.report(self.before + done, expected, f"frames, {self.episodes} of {self.total} episodes")


def _replay_episode(policy: Any, episode: Episode, on_frame: _FrameCounter) -> _Replayed:
    check_frames(episode, policy.contract)
    predictions, times = [], []
    for number, frame in enumerate(episode.frames, 1):
        started = time.perf_counter()
        predictions.append(policy.act(frame))
        times.append(1e3 * (time.perf_counter() - started))
        on_frame(number, len(episode.frames))
    stamps = np.array([frame.stamp for frame in episode.frames])
    return _Replayed(
        path=episode.path,
        action=policy.contract.action,
        stamps=stamps,
        recorded=episode.actions,
        predicted=np.array(predictions),
        times_ms=times,
        left_out=dict(episode.left_out),
        fault=episode.fault,
    )

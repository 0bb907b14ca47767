"""Replays recorded runs through a policy: what it would have commanded against what was commanded."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.contract import load_robot
from lossless_ros.episodes.reader import find_episodes, read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.statistics import percentiles


def replay(
    bundle: Path,
    bags: list[Path],
    robot: str = "sim",
    device: str = "auto",
    runtime: str = "torch",
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
) -> dict[str, Any]:
    """Open-loop error of a bundle's policy on recorded runs.

    Returns:
        n (episodes), frames, action_error (per axis: unit, mae, rmse, mae_of_zero: the error of commanding nothing),
        gripper_agreement, inference_ms, the same per episode with its path, and as `example` the first episode's
        commands over time (t_s, recorded and predicted (T, dim)).

    Raises:
        LosslessError: bundle or bag missing or damaged, or a bag without the contract's topics.
    """
    from lossless_ros.models.policy import load_policy

    paths = find_episodes(bags)
    policy = load_policy(bundle, device=device, runtime=runtime)
    hardware = load_robot(robot)
    policy.warm_up()
    axes = policy.contract.action.axes
    episodes, differences, recorded, agreements, times = [], [], [], [], []
    example: dict[str, Any] = {}
    for path in paths:
        episode = read_episode(path, policy.contract, hardware)
        if not episode.frames:
            raise LosslessError(f"{path}: no frame of contract '{policy.contract.name}' with an action in it")
        predictions = []
        for frame in episode.frames:
            begin = time.perf_counter()
            predictions.append(policy.act(frame))
            times.append(1e3 * (time.perf_counter() - begin))
        predicted = np.array(predictions)
        difference = predicted[:, :-1] - episode.actions[:, :-1]
        agreement = (predicted[:, -1] > 0) == (episode.actions[:, -1] > 0)
        if not example:
            seconds = [(frame.stamp - episode.frames[0].stamp) / 1e9 for frame in episode.frames]
            example = {"t_s": seconds, "recorded": episode.actions.tolist(), "predicted": predicted.tolist()}
        differences.append(difference)
        recorded.append(episode.actions[:, :-1])
        agreements.append(agreement)
        entry = {
            "path": str(path),
            "frames": len(episode.frames),
            "mae": dict(zip([a.axis for a in axes], np.abs(difference).mean(0).tolist(), strict=True)),
            "gripper_agreement": float(agreement.mean()),
        }
        episodes.append(entry)
        on_progress(entry)
    error, zero = np.concatenate(differences), np.concatenate(recorded)
    return {
        "bundle": str(bundle),
        "task": policy.task,
        "n": len(episodes),
        "frames": len(error),
        "action_error": {
            axis.axis: {
                "unit": axis.unit,
                "mae": float(np.abs(error[:, i]).mean()),
                "rmse": float(np.sqrt(np.square(error[:, i]).mean())),
                "mae_of_zero": float(np.abs(zero[:, i]).mean()),
            }
            for i, axis in enumerate(axes)
        },
        "gripper_agreement": float(np.concatenate(agreements).mean()),
        "inference_ms": percentiles(times),
        "device": str(policy.device),
        "runtime": policy.runtime,
        "precision": policy.precision,
        "episodes": episodes,
        "example": example,
    }

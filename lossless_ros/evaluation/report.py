"""Report pages: one self-contained HTML file each."""

from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract
from lossless_ros.episodes.reader import Episode
from lossless_ros.evaluation import plots
from lossless_ros.evaluation.page import write_page
from lossless_ros.evaluation.video import animation_uri, film_strip, png_uri

SPEED_UP = 3  # of the animation: every third frame at the full rate


def write_replay_report(path: Path, replay: dict[str, Any]) -> None:
    """Write the page of a bag replay (the document of `replay.replay`)."""
    values = {"title": "Replay", "replay": replay, "replay_plot": _replay_plot(replay)}
    write_page("replay.html", path, values)


def write_demo_report(
    path: Path,
    contract: Contract,
    results: dict[str, dict[str, Any]],
    demonstration: Episode,
    driven: Episode,
    times: dict[str, float],
) -> None:
    """Write the page of `lossless demo`.

    Args:
        path: file to write.
        contract: of the policy.
        results: documents of collection, training, evaluation, replay and verify, by these names.
        demonstration: an episode of the expert.
        driven: an episode of the policy.
        times: of each step [s].
    """
    from markupsafe import Markup

    rows = [film_strip([f.images[i] for f in demonstration.frames]) for i in (0, -1)]
    period_s = contract.period_ns / 1e9
    evaluation = results["evaluation"]
    values = {
        "title": "RGB stacking, end to end",
        "version": __version__,
        **results,
        "rate_hz": contract.rate_hz,
        "cameras": [camera.name for camera in contract.cameras],
        "expert_seed": demonstration.info["seed"],
        "expert_strip": png_uri(np.vstack(rows)),
        "learning_plot": Markup(plots.learning_curve(results["training"]["curve"])),
        "latency_plot": Markup(plots.latencies(evaluation["latencies_ms"], 1e3 * period_s)),
        "episode_s": max(episode["steps"] for episode in evaluation["episodes"]) * period_s,
        "policy_animation": animation_uri(_images(driven), contract.rate_hz),
        "policy_seed": driven.info["seed"],
        "replay_plot": _replay_plot(results["replay"]),
        "times": times,
    }
    write_page("demo.html", path, values)


def _images(episode: Episode) -> list[np.ndarray]:
    return [np.hstack(frame.images) for frame in episode.frames[::SPEED_UP]]


def _replay_plot(replay: dict[str, Any]) -> Any:
    from markupsafe import Markup

    names = [f"{axis} [{error['unit']}]" for axis, error in replay["action_error"].items()]
    return Markup(plots.commands(replay["example"], [*names, "gripper"]))

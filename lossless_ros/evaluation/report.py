"""Report pages: one self-contained HTML file each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.episodes.reader import Episode
from lossless_ros.evaluation import plots
from lossless_ros.evaluation.page import write_page
from lossless_ros.evaluation.video import animation_uri, film_strip, png_uri
from lossless_ros.models.bundle import Bundle

SPEED_UP = 3  # of the animation: every third frame at the full rate


def write_replay_report(path: Path, replay: dict[str, Any]) -> None:
    """Write the page of a bag replay (the document of `replay.replay`)."""
    values = {"title": "Replay", "replay": replay, "replay_plot": _replay_plot(replay)}
    write_page("replay.html", path, values)


@dataclass(frozen=True)
class DemoEpisodes:
    """The episodes that the demo's page shows."""

    demonstration: Episode  # of the expert
    shipped: Sequence[Episode]  # of the shipped policy
    own: Sequence[Episode]  # of the policy that the demo trained


def write_demo_report(
    path: Path,
    shipped: Bundle,
    results: dict[str, dict[str, Any]],
    episodes: DemoEpisodes,
    times: dict[str, float],
) -> None:
    """Write the page of `lossless demo`.

    Args:
        path: file to write.
        shipped: the shipped bundle; the demo's own has the same contract.
        results: documents of shipped, own, comparison, collection, training, replay and verify, by these names.
        episodes: what the page shows.
        times: of each step [s].
    """
    from markupsafe import Markup

    contract = shipped.contract
    rows = [film_strip([f.images[i] for f in episodes.demonstration.frames]) for i in (0, -1)]
    period_s = contract.period_ns / 1e9
    evaluation = results["shipped"]
    values = {
        "title": "RGB stacking, end to end",
        "version": __version__,
        **results,
        "shipped_bundle": shipped,
        "shipped_data": _training_data(shipped),
        "rate_hz": contract.rate_hz,
        "cameras": [camera.name for camera in contract.cameras],
        "expert_seed": episodes.demonstration.info["seed"],
        "expert_strip": png_uri(np.vstack(rows)),
        "learning_plot": Markup(plots.learning_curve(results["training"]["curve"])),
        "latency_plot": Markup(plots.latencies(evaluation["latencies_ms"], 1e3 * period_s)),
        "episode_s": max(episode["steps"] for episode in evaluation["episodes"]) * period_s,
        "pairs": list(zip(evaluation["episodes"], results["own"]["episodes"], strict=True)),
        "shipped_film": _film(episodes.shipped, contract.rate_hz),
        "own_film": _film(episodes.own, contract.rate_hz),
        "speed_up": SPEED_UP,
        "replay_plot": _replay_plot(results["replay"]),
        "times": times,
    }
    write_page("demo.html", path, values)


def _training_data(bundle: Bundle) -> str:
    """Return what the bundle was trained on, as text; empty if its provenance does not have it."""
    data = bundle.provenance.get("data", {})
    if not isinstance(data, dict) or "episodes" not in data:
        return ""
    return f"{data['episodes']:,} demonstrations, {bundle.provenance.get('steps', 0):,} steps"


def _film(episodes: Sequence[Episode], rate_hz: float) -> str:
    """Return episodes side by side, as the first camera sees them, as an animation; the last image stays."""
    runs = [[frame.images[0] for frame in episode.frames[::SPEED_UP]] for episode in episodes]
    length = max((len(run) for run in runs), default=0)
    runs = [run + run[-1:] * (length - len(run)) for run in runs if run]
    return animation_uri([np.hstack(images) for images in zip(*runs, strict=True)], rate_hz) if runs else ""


def _replay_plot(replay: dict[str, Any]) -> Any:
    from markupsafe import Markup

    names = [f"{axis} [{error['unit']}]" for axis, error in replay["action_error"].items()]
    if "gripper_agreement" in replay:
        names.append("gripper")
    return Markup(plots.commands(replay["example"], names))

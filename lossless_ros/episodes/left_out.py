"""What of the recordings is not trained on, in lines and numbers for the user."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lossless_ros.contract import Contract, Robot
from lossless_ros.episodes.cache import DecodedEpisode
from lossless_ros.errors import LosslessError

_MAX_LINES = 5  # of single episodes
_CONSTANT = 1e-3  # of the stroke: a gripper command that varies by less is always the same


def left_out_frames(episodes: Sequence[DecodedEpisode]) -> dict[str, int]:
    """Return the number of frames that were left out, by reason."""
    total: Counter[str] = Counter()
    for episode in episodes:
        total.update(episode.left_out)
    return dict(total)


def left_out_by_episode(episodes: Sequence[DecodedEpisode]) -> list[dict[str, Any]]:
    """Return path, frames, left-out frames by reason and notes of each episode of which frames were left out."""
    return [
        {"path": str(e.path), "frames": len(e), "left_out": dict(e.left_out), "notes": list(e.notes)}
        for e in episodes
        if e.left_out or e.notes
    ]


def describe_left_out(episodes: Sequence[DecodedEpisode]) -> list[str]:
    """Return lines on the frames that were left out: all of them by reason, then the episodes that lost most."""
    total = left_out_frames(episodes)
    if not total:
        return []
    count = sum(total.values())
    lines = [f"left out {count} of {count + sum(map(len, episodes))} frames: {_reasons(total)}"]
    losing = sorted((e for e in episodes if e.left_out), key=lambda e: -sum(e.left_out.values()))
    for episode in losing[:_MAX_LINES]:
        lost = sum(episode.left_out.values())
        notes = "".join(f"; {note}" for note in episode.notes)
        lines.append(f"{episode.path}: {lost} of {lost + len(episode)} left out: {_reasons(episode.left_out)}{notes}")
    if len(losing) > _MAX_LINES:
        lines.append(f"and frames of {len(losing) - _MAX_LINES} more episodes; --json lists them")
    return lines


def gripper_note(episodes: Sequence[DecodedEpisode], contract: Contract, robot: Robot) -> str | None:
    """Return that the gripper is always open or always closed, None if it is both or there is none.

    Raises:
        LosslessError: it always counts as one of them although its commands differ: they are in other units.
    """
    gripper = robot.gripper_of(contract)
    if gripper is None:
        return None
    states = {bool(closed) for e in episodes for closed in e.actions[:, -1] > 0}
    ranges = [e.gripper_range for e in episodes if e.gripper_range is not None]
    if len(states) != 1 or not ranges:
        return None
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    state, other = ("closed", "open") if states.pop() else ("open", "closed")
    same_end = gripper.action(low) == gripper.action(high)
    if same_end and high - low > _CONSTANT * abs(gripper.closed - gripper.open):
        raise LosslessError(
            f"the gripper commands of all {len(episodes)} episodes ({low:g} to {high:g}) count as {state}, expected "
            f"{gripper.open:g} (open) to {gripper.closed:g} (closed); other units? see the robot's gripper:"
        )
    where = "in all" if same_end else "in the frames that are left of all"
    return f"the gripper is always {state} {where} {len(episodes)} episodes: the policy will never have it {other}"


def _reasons(left_out: Any) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(left_out.items(), key=lambda item: -item[1]))

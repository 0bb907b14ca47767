"""Progress moves while nothing ends, and says how long the rest will take."""

import time
from typing import Any

import pytest

from lossless_ros import progress
from lossless_ros.progress import EpisodeProgress, Pace, Progress, duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as something to set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_pace_gives_the_time_left(clock: list[float]) -> None:
    pace = Pace(0)
    assert pace.left(10) is None
    clock[0] += 20
    pace.update(4)
    assert pace.left(10) == pytest.approx(30)
    assert pace.left(None) is None


def test_pace_does_not_count_what_was_there_before(clock: list[float]) -> None:
    pace = Pace(None)
    pace.update(60)
    assert pace.left(100) is None
    clock[0] += 5
    pace.update(65)
    assert pace.left(100) == pytest.approx(35)
    pace.update(0)  # another part of the work
    clock[0] += 5
    pace.update(1)
    assert pace.left(11) == pytest.approx(50)


def test_episodes_that_exist_are_counted_but_cost_nothing() -> None:
    seen: list[Any] = []
    shown = EpisodeProgress(lambda *values: seen.append(values), episodes=4, max_steps=100)
    shown.on_episode({"steps": 80})
    shown.on_steps(30)
    assert seen[-1] == (30, 300, "steps, 1 of 4 episodes")
    shown.on_steps(30)
    shown.on_episode({"steps": 60})
    assert seen[-1] == (60, 180, "steps, 2 of 4 episodes")
    shown.on_steps(90)
    shown.on_episode({"steps": 50})
    shown.on_episode({"steps": 40})
    assert seen[-1] == (150, 150, "steps, 4 of 4 episodes")


def test_a_line_comes_although_nothing_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LONGEST_SILENCE_S", 0.1)
    lines: list[str] = []
    with Progress("thinking", 3) as shown:
        shown.advance("hard")
        end = time.monotonic() + 30
        while len(lines) < 3 and time.monotonic() < end:
            time.sleep(0.05)
            lines += capsys.readouterr().err.splitlines()
    assert all(line.startswith("thinking 1 of 3 hard, ") and line.endswith(" left") for line in lines[1:3])


def test_durations_are_words() -> None:
    assert [duration(seconds) for seconds in (3, 99, 150, 7800)] == ["3 s", "99 s", "2 min", "2 h 10 min"]

"""Text from files and messages is shown in one line, and does nothing to a terminal or a page."""

import json
from pathlib import Path

import pytest

from lossless_ros.errors import DataError, LosslessError
from lossless_ros.evaluation.page import write_page
from lossless_ros.progress import Progress, echo
from lossless_ros.text import clean

EVIL = "a\x1b[2J\x1b]0;title\x07b\nc\r\u2028d\x9b31m\u202e\x00"
SHOWN = "a\\x1b[2J\\x1b]0;title\\x07b c d\\x9b31m\\u202e\\x00"


def test_what_is_no_text_becomes_an_escape_and_line_breaks_blanks() -> None:
    assert clean(EVIL) == SHOWN
    assert clean("Größe 5 µm → 日本") == "Größe 5 µm → 日本"


@pytest.mark.parametrize("kind", [LosslessError, DataError])
def test_errors_are_clean(kind: type[Exception]) -> None:
    assert str(kind(f"topic {EVIL}")) == f"topic {SHOWN}"


def test_lines_and_progress_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    with Progress(EVIL, 1) as progress:
        progress.advance(EVIL)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == SHOWN and lines[1].startswith(f"{SHOWN} 1 of 1 {SHOWN}")


def test_a_page_is_clean(tmp_path: Path) -> None:
    example = {"t_s": [0.0], "recorded": [[0.0]], "predicted": [[0.0]]}
    error = {"unit": "m/s", "mae": 0.1, "rmse": 0.1, "mae_of_zero": 0.2, "worse_than_zero": False}
    episode = {"path": f"<b>{EVIL}", "frames": 1, "mae": {"linear.x": 0.1}, "gripper_agreement": 1.0}
    replay = {
        **{"bundle": EVIL, "task": EVIL, "n": 1, "frames": 1, "action_error": {"linear.x": error}},
        **{"gripper_agreement": 1.0, "inference_ms": {"p50": 1.0, "p99": 1.0, "max": 1.0}, "device": "cpu"},
        **{"runtime": "torch", "precision": "float32", "execution": "newest", "episodes": [episode]},
        **{"example": example, "trained_episodes": 0, "worse_than_zero": []},
    }
    json.dumps(replay)
    write_page("replay.html", tmp_path / "page.html", {"title": EVIL, "replay": replay, "replay_plot": ""})
    page = (tmp_path / "page.html").read_text()
    assert SHOWN in page and "&lt;b&gt;" in page
    assert not set("\x1b\x07\x9b\u202e\x00") & set(page)

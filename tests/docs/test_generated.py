"""The generated reference pages agree with the code."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.doc_pages import ROOT

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")


def test_generated_pages_are_current() -> None:
    script = ROOT / "scripts" / "generate_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_names_stale_pages_and_leaves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts import generate_docs

    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_docs, "PAGES", {"new.md": lambda: "# New"})
    monkeypatch.setattr(generate_docs, "SECTIONS", {"part.md": ("rows", lambda: "| 1 |")})
    part = tmp_path / "part.md"
    part.write_text("before\n<!-- generated: rows begin -->\n| 0 |\n<!-- generated: rows end -->\nafter\n")
    monkeypatch.setattr(sys, "argv", ["generate_docs.py", "--check"])
    assert generate_docs.main() == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["new.md", "part.md"]
    assert not (tmp_path / "new.md").exists()
    assert "| 0 |" in part.read_text()

    monkeypatch.setattr(sys, "argv", ["generate_docs.py"])
    assert generate_docs.main() == 0
    assert (tmp_path / "new.md").read_text().endswith("do not edit. -->\n\n# New\n")
    begin, end = "<!-- generated: rows begin -->", "<!-- generated: rows end -->"
    assert part.read_text() == f"before\n{begin}\n| 1 |\n{end}\nafter\n"


def test_a_page_without_its_markers_is_an_error() -> None:
    from scripts.docs.markdown import fill_markers

    with pytest.raises(ValueError, match="generated: rows begin"):
        fill_markers("# A page\n", "rows", "| 1 |")

"""The tables of results in README.md and docs/ are those that benchmarks/results gives."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tables import TABLES

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "update_results.py"


def test_tables_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_results_page_has_every_table() -> None:
    names = re.findall(r"<!-- results: (\S+) begin -->", (ROOT / "docs" / "results.md").read_text())
    assert sorted(names) == sorted(TABLES)


def test_an_edited_table_is_reported_by_name_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A page\n")
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("<!-- results: demo begin -->\n| 50 of 50 |\n<!-- results: demo end -->\n")
    command = [sys.executable, SCRIPT, "--root", tmp_path]
    stale = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert stale.returncode == 1
    assert "docs/page.md: out of date" in stale.stdout
    assert "50 of 50" in page.read_text()
    assert subprocess.run(command).returncode == 0
    assert "0 of 4" in page.read_text()
    assert subprocess.run([*command, "--check"]).returncode == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!-- results: demos begin -->\n<!-- results: demos end -->\n", "unknown table 'demos'; known: summary"),
        ("<!-- results: demo begin -->\n", "docs/page.md: a results marker has no partner"),
        ("<!-- results: demo begin -->\n<!-- results: soak end -->\n", "docs/page.md: a results marker has no partner"),
    ],
)
def test_wrong_markers_are_errors(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "README.md").write_text("# A page\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(text)
    done = subprocess.run([sys.executable, SCRIPT, "--root", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2
    assert expected in done.stderr

"""The tables of results in README.md and docs/ agree with benchmarks/results, and its summaries with its episodes."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.common import RESULTS, read_summary
from benchmarks.tables import TABLES
from lossless_ros.evaluation.episode_table import append_rows, read_rows, select, totals

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "update_results.py"


def test_tables_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_results_page_has_every_table() -> None:
    names = re.findall(r"<!-- results: (\S+) begin -->", (ROOT / "docs" / "results.md").read_text())
    assert sorted(names) == sorted(TABLES)


def test_an_edited_table_is_reported_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = _pages(tmp_path, "<!-- results: demo begin -->\n| 50 of 50 |\n<!-- results: demo end -->\n")
    assert _run(monkeypatch, tmp_path, "--check") == 1
    assert capsys.readouterr().out == "docs/page.md: out of date; run scripts/update_results.py\n"
    assert "50 of 50" in page.read_text()
    assert _run(monkeypatch, tmp_path) == 0
    assert "50 of 50" not in page.read_text()
    assert "trained by the demo" in page.read_text()
    assert _run(monkeypatch, tmp_path, "--check") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!-- results: demos begin -->\n<!-- results: demos end -->\n", "unknown table 'demos'; known: summary"),
        ("<!-- results: demo begin -->\n", "docs/page.md: a results marker has no partner"),
        ("<!-- results: demo begin -->\n<!-- results: soak end -->\n", "docs/page.md: a results marker has no partner"),
    ],
)
def test_wrong_markers_are_errors(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pages(tmp_path, text)
    with pytest.raises(SystemExit, match="2"):
        _run(monkeypatch, tmp_path)
    assert expected in capsys.readouterr().err


def _pages(root: Path, text: str) -> Path:
    """Write a README without tables and a page; return the page."""
    (root / "README.md").write_text("# A page\n")
    (root / "docs").mkdir()
    page = root / "docs" / "page.md"
    page.write_text(text)
    return page


def _run(monkeypatch: pytest.MonkeyPatch, root: Path, *options: str) -> int:
    """Run the script on the pages of another folder; return its exit status."""
    spec = importlib.util.spec_from_file_location("update_results", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, "--root", str(root), *options])
    return int(script.main())


def _episodes(file: str, **values: object) -> list[dict[str, str]]:
    rows = select(read_rows(RESULTS / f"{file}.csv"), **values)
    assert rows
    return rows


def test_summaries_have_the_totals_of_their_episodes() -> None:
    for name, recipe in read_summary(RESULTS / "ablations.json")["recipes"].items():
        assert recipe["result"] == totals(_episodes("ablations", recipe=name)), name
    for domain, by_mode in read_summary(RESULTS / "mode_comparison.json")["results"].items():
        for mode, result in by_mode.items():
            assert result == totals(_episodes("mode_comparison", domain=domain, mode=mode)), (domain, mode)
    for triplet, part in read_summary(RESULTS / "pose_error.json")["triplets"].items():
        for error_mm, result in part["results"].items():
            assert result == totals(_episodes("pose_error", triplet=triplet, error_mm=error_mm)), (triplet, error_mm)
    for student, part in read_summary(RESULTS / "expert_imitability.json")["students"].items():
        expert, task, num_modes = student.split("/")
        episodes = _episodes("expert_imitability", expert=expert, task=task, num_modes=num_modes)
        assert part["result"] == totals(episodes), student


def test_expert_success_rows_are_consistent() -> None:
    for row in read_rows(RESULTS / "expert_success.csv"):
        failed = [int(seed) for seed in row["failed_seeds"].split()]
        first, episodes = int(row["first_seed"]), int(row["episodes"])
        assert len(failed) == episodes - int(row["successes"]), row
        assert all(first <= seed < first + episodes for seed in failed), row


def test_appended_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "rows.csv"
    append_rows(path, [{"seed": 0, "success": True, "first_success_s": None, "loss": 0.19590748846530914}])
    append_rows(path, [{"seed": 1, "success": False, "first_success_s": 3 * 0.05, "loss": 1 / 3}])
    first, second = read_rows(path)
    assert first == {"seed": "0", "success": "1", "first_success_s": "", "loss": "0.19591"}
    assert second == {"seed": "1", "success": "0", "first_success_s": "0.15", "loss": "0.33333"}

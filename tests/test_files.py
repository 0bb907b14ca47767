"""Outputs are checked before the work, and leave nothing behind."""

from pathlib import Path

import pytest

from lossless_ros.cli.options import check_file
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import EvalConfig, check
from lossless_ros.files import check_folder_writable, check_writable

TASK = "rgb_stacking/triplet1"


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    existing = tmp_path / "a.json"
    existing.write_text("mine")
    check_writable(existing)
    check_writable(tmp_path / "new" / "b.json")
    check_folder_writable(tmp_path / "folder")
    assert existing.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "folder", "new"]


@pytest.mark.parametrize("path", ["/proc/a.json", "/proc", "/proc/folder/a.json"])
def test_a_file_that_cannot_be_written_is_named(path: str) -> None:
    with pytest.raises(LosslessError, match=f"cannot write {path}: "):
        check_writable(Path(path))


def test_standard_output_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_file(Path("-"))
    assert not list(tmp_path.iterdir())


def test_a_recording_that_exists_is_found_before_the_evaluation(tmp_path: Path) -> None:
    pytest.importorskip("lossless_sim", reason="the simulator is not installed")
    (tmp_path / "episode_000008").mkdir()
    config = EvalConfig(TASK, expert="random", seed=7, episodes=2, domain="nominal", record=tmp_path)
    with pytest.raises(LosslessError, match="episode_000008 exists already; give another --record"):
        check(config)
    with pytest.raises(LosslessError, match="cannot write into /proc/bags"):
        check(EvalConfig(TASK, expert="random", episodes=1, record=Path("/proc/bags")))

"""The demo end to end, as small as it goes: shipped bundle, real simulation, bags, backbone, ROS nodes."""

import json
from pathlib import Path

import pytest

from lossless_ros.cli.demo import Scale, run_demo
from lossless_ros.cli.demo_folder import DemoFolder, DemoPaths
from lossless_ros.errors import LosslessError

SMALL = """
steps: 3
batch_size: 4
warmup_steps: 1
num_validations: 1
val_frames: 4
image_size: 64
only_successful: false
top: keypoints
cache_features: false
"""


def test_the_main_job_goes_on_after_an_interruption_and_reports_what_it_measured(tmp_path, capsys, monkeypatch):
    from lossless_ros.training import behavior_cloning

    config, out = tmp_path / "small.yaml", tmp_path / "out"
    config.write_text(SMALL)
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    scale = Scale(episodes=2, trials=1, max_steps=6, training=str(config))

    def interrupted(*arguments: object) -> dict[str, object]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(behavior_cloning, "train", interrupted)
        run_demo(out, 1, scale)
    finished = {
        path: path.stat().st_mtime_ns for folder in ("shipped", "episodes") for path in (out / folder).rglob("*")
    }
    report = run_demo(out, 1, scale)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(report)
    assert f"going on in {out}; finished: shipped, collection." in printed.err
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert (out / "notes.txt").read_text() == "mine"
    results = json.loads((out / "results.json").read_text())
    assert results["collection"]["n"] == 2 and results["collection"]["frames"] == 12
    assert results["training"]["steps"] == 3
    shipped, own = results["shipped"], results["own"]
    assert shipped["n"] == 1 and shipped["over_ros"] and len(shipped["latencies_ms"]) == 6
    assert own["seeds"] == shipped["seeds"] and not own["over_ros"] and results["comparison"]["n"] == 1
    assert results["replay"]["frames"] == 6
    assert results["verify"]["ok"] and results["verify"]["images"]["kind"] == "given"
    page = report.read_text()
    assert page.count("data:image/webp") == 2 and "<svg" in page
    assert f"{shipped['successes']} of 1" in page and "trained here in" in page
    with pytest.raises(LosslessError, match="is of a demo with another scale; give another --out"):
        run_demo(out, 1, Scale())


@pytest.mark.parametrize("name", [path.name for path in DemoPaths(Path()).everything])
def test_what_the_demo_did_not_make_is_kept(tmp_path, name):
    foreign = tmp_path / name
    if foreign.suffix:
        foreign.write_text("mine")
    else:
        foreign.mkdir()
        (foreign / "metadata.yaml").write_text("mine")
    with pytest.raises(LosslessError, match=f"{name} exists and no demo that can go on made it; give another --out"):
        run_demo(tmp_path, 1)
    assert foreign.exists() and (foreign.suffix or (foreign / "metadata.yaml").read_text() == "mine")
    assert list(tmp_path.iterdir()) == [foreign]


def test_a_bundle_that_was_put_into_an_unfinished_demo_is_kept(tmp_path):
    folder = DemoFolder(DemoPaths(tmp_path), {"version": "1"})
    assert not folder.claim() and folder.claim()
    folder.paths.bundle.write_text("mine")
    with pytest.raises(LosslessError, match="policy.safetensors exists, but this demo has not trained yet"):
        folder.check_bundle()


def test_a_finished_step_is_not_done_again_and_an_unfinished_recording_is_removed(tmp_path):
    folder = DemoFolder(DemoPaths(tmp_path), {"version": "1"})
    folder.claim()
    assert folder.evaluate("shipped", folder.paths.shipped, lambda part: {"n": len(list(part.iterdir()))}) == {"n": 0}
    left = tmp_path / ".own.999999999.part"
    left.mkdir()
    again = DemoFolder(DemoPaths(tmp_path), {"version": "1"})
    assert again.claim() and not left.exists()
    assert again.run("shipped", lambda: pytest.fail("it is finished")) == {"n": 0}
    again.documents.clear()  # interrupted between the recording and the note of it
    assert again.evaluate("shipped", again.paths.shipped, lambda part: pytest.fail("it is recorded")) == {"n": 0}

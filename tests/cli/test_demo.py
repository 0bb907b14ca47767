"""The demo end to end, as small as it goes: shipped bundle, real simulation, bags, backbone, ROS nodes."""

import json

from lossless_ros.cli.demo import Scale, run_demo

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


def test_the_main_job_runs_and_reports_what_it_measured(tmp_path, capsys):
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    report = run_demo(tmp_path / "out", 1, Scale(episodes=2, trials=1, max_steps=6, training=str(config)))
    assert capsys.readouterr().out.splitlines()[-1] == str(report)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
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

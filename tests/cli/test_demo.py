"""The main job end to end, as small as it goes: real simulation, bags, backbone, ROS nodes."""

import json

from lossless_ros.cli.demo import Scale, run_demo

SMALL = """
steps: 3
batch_size: 4
head_warmup_steps: 1
warmup_steps: 1
num_validations: 1
val_frames: 4
image_size: 64
only_successful: false
"""


def test_the_main_job_runs_and_reports_what_it_measured(tmp_path, capsys):
    config = tmp_path / "small.yaml"
    config.write_text(SMALL)
    report = run_demo(tmp_path / "out", 1, Scale(episodes=2, trials=1, max_steps=6, training=str(config)))
    assert capsys.readouterr().out.splitlines()[-1] == str(report)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["collection"]["n"] == 2 and results["collection"]["frames"] == 12
    assert results["training"]["steps"] == 3
    evaluation = results["evaluation"]
    assert evaluation["n"] == 1 and evaluation["over_ros"] and len(evaluation["latencies_ms"]) == 6
    assert results["replay"]["frames"] == 6
    assert results["verify"]["ok"] and results["verify"]["images"]["kind"] == "given"
    page = report.read_text()
    assert "data:image/webp" in page and "<svg" in page
    assert f"{evaluation['successes']} of 1" in page

from dataclasses import replace

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.loggers import CURVE, RunLogger


def test_tensorboard_reads_the_learning_curve(job, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_dir = tmp_path / "logs"
    curve = train(replace(job, mode="frozen", log_dir=log_dir))["curve"]
    events = EventAccumulator(str(log_dir))
    events.Reload()
    losses = {e.step: e.value for e in events.Scalars("held_out_loss")}
    assert losses == pytest.approx({p["step"]: p["held_out_loss"] for p in curve})
    assert [e.step for e in events.Scalars("train_loss")] == [p["step"] for p in curve[1:]]
    assert {"learning_rate", "gripper_agreement", "mean_absolute_error/linear.x"} <= set(events.Tags()["scalars"])
    assert (log_dir / CURVE).read_bytes().startswith(b"\x89PNG")


def test_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LosslessError, match="cannot write logs into .*file"):
        RunLogger(tmp_path / "file" / "logs")

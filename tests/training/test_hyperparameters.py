import dataclasses

import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from lossless_ros.training.hyperparameters import (
    ADDED,
    MODES,
    RENAMED,
    STORED,
    Hyperparameters,
    load_hyperparameters,
    network_config,
)


@pytest.mark.parametrize("name", ["default", "demo", "stacking"])
def test_shipped_settings_load(name):
    assert load_hyperparameters(name).seed == 0


def test_file_lists_only_what_it_changes(tmp_path):
    (tmp_path / "own.yaml").write_text("learning_rate: 0.0003\nhidden_dims: [64]\n")
    config = load_hyperparameters(str(tmp_path / "own.yaml"))
    assert config.learning_rate == 0.0003
    assert config.hidden_dims == (64,)
    assert config.batch_size == load_hyperparameters("default").batch_size


def test_hyperparameters_themselves_are_returned_unchanged():
    config = load_hyperparameters("demo")
    assert load_hyperparameters(config) is config


def test_old_keys_still_load_with_one_line_that_names_the_new_ones(tmp_path, capsys):
    (tmp_path / "old.yaml").write_text("batch: 5\ncolour: 0.4\nrank: 3\nsteps: 7\n")
    config = load_hyperparameters(str(tmp_path / "old.yaml"))
    assert config.batch_size == 5
    assert config.color_jitter == 0.4
    assert config.bottleneck_dim == 3
    assert config.steps == 7
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        "batch is now batch_size, colour is now color_jitter, rank is now bottleneck_dim; the old names still work"
    )


def test_setting_under_both_names_is_refused(tmp_path):
    (tmp_path / "both.yaml").write_text("batch: 5\nbatch_size: 6\n")
    with pytest.raises(LosslessError, match="'batch' is the old name of 'batch_size'; keep 'batch_size'"):
        load_hyperparameters(str(tmp_path / "both.yaml"))


@pytest.mark.parametrize("old, new", RENAMED.items())
def test_every_old_key_stands_for_a_current_one(old, new):
    fields = {field.name for field in dataclasses.fields(Hyperparameters)}
    assert new in fields
    assert old not in fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnin_rate: 1", "unknown key 'learnin_rate'; known: .*learning_rate"),
        ("steps: 0", "steps is 0, expected at least 1"),
        ("steps: many", "steps: expected int, got 'many'"),
        ("max_minutes: -1", "max_minutes is -1.0, expected more than 0"),
        ("held_out: 1.5", "held_out is 1.5, expected 0 or more and less than 1"),
        ("kernel_size: 2", "kernel_size is 2, expected an odd number"),
        ("hidden_dims: [64, 0]", r"hidden_dims is \(64, 0\), expected at least 1 each"),
        ("num_modes: -1", "num_modes is -1, expected at least 0"),
        ("top_grid: 0", "top_grid is 0, expected at least 1"),
        ("top: pyramid", "top is pyramid, expected grid or keypoints"),
        ("top: 3", "top: expected str, got 3"),
        ("num_keypoints: 0", "num_keypoints is 0, expected at least 1"),
        ("keypoint_channels: 0", "keypoint_channels is 0, expected at least 1"),
        ("weight_decay: -1", "weight_decay is -1.0, expected 0 or more"),
        ("gripper_weight: -3", "gripper_weight is -3.0, expected 0 or more"),
        ("head_warmup_steps: -5", "head_warmup_steps is -5, expected at least 0"),
        ("execution: oldest", "execution is oldest, expected newest, ensemble:M .* or open_loop:N"),
        ("chunk_size: 4\nexecution: open_loop:5", "execution is open_loop:5 with chunk_size 4, expected"),
        ("backbone_runtime: onnx", "backbone_runtime is onnx, expected auto or torch or openvino"),
        ("bundle_dtype: float8", "bundle_dtype is float8, expected float32 or float16"),
        ("noop_threshold: 7", "noop_threshold is 7.0, expected 0 to 1"),
        ("bottleneck_dim: 0", "bottleneck_dim is 0, expected at least 1"),
        ("learning_rate: .nan", "learning_rate is nan, expected more than 0"),
    ],
)
def test_wrong_setting_is_one_line(tmp_path, text, message):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(LosslessError, match=message):
        load_hyperparameters(str(tmp_path / "own.yaml"))


def test_newer_settings_are_as_if_absent_by_default():
    config = load_hyperparameters("default")
    assert {key: getattr(config, key) for key in ADDED} == ADDED
    assert not set(config.identity()) & set(ADDED)
    changed = dataclasses.replace(config, top="keypoints")
    assert changed.identity() == {**config.identity(), "top": "keypoints"}


def test_what_is_only_stored_makes_no_other_run():
    config = load_hyperparameters("default")
    assert {key: getattr(config, key) for key in STORED} == STORED
    assert dataclasses.replace(config, execution="newest").identity() == config.identity()


def test_mode_determines_placements_and_an_unknown_mode_lists_the_known_ones():
    backbone = load_backbone("tf_efficientnet_lite0")
    config = load_hyperparameters("default")
    assert {mode: network_config(config, mode, backbone).placements for mode in MODES} == MODES
    assert network_config(config, "adapters", backbone).image_size == 224
    with pytest.raises(
        LosslessError, match="unknown mode 'all'; known: adapters, bottom, frozen, full, middle, scratch, top"
    ):
        network_config(config, "all", backbone)
